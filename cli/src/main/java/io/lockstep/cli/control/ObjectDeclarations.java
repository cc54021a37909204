package io.lockstep.cli.control;

import java.util.Map;

/**
 * What the control socket speaks of objects: throttle groups, and their limits. Stateless. Source:
 * QEMU's {@code qapi/qom.json} and {@code qapi/block-core.json}.
 */
final class ObjectDeclarations {
    private static final String[] RATES = {
        "bps-total", "bps-read", "bps-write", "iops-total", "iops-read", "iops-write"
    };

    private ObjectDeclarations() {}

    static void declareTypes(final QmpTypes types) {
        types.enumeration("ObjectType", "throttle-group")
                .object("ThrottleLimits", limits(""))
                .object("ThrottleGroupProperties", "limits?: ThrottleLimits, " + limits("x-"))
                .union(
                        "ObjectOptions",
                        "qom-type: ObjectType, id: str",
                        "qom-type",
                        Map.of("throttle-group", "ThrottleGroupProperties"))
                .object("BlockdevOptionsThrottle", "throttle-group: str, file: BlockdevRef");
    }

    private static String limits(final String prefix) {
        final StringBuilder members = new StringBuilder();
        for (final String rate : RATES) {
            for (final String kind : new String[] {"", "-max", "-max-length"}) {
                members.append(prefix).append(rate).append(kind).append("?: int, ");
            }
        }
        return members.append(prefix).append("iops-size?: int").toString();
    }

    static void declareCommands(final QmpSchema schema) {
        schema.commandOf("object-add", "ObjectOptions", QmpSchema.NOTHING)
                .checkedByItself("object-add")
                .command("object-del", "id: str", QmpSchema.NOTHING)
                .command("qom-get", "path: str, property: str", "any")
                .command("qom-set", "path: str, property: str, value: any", QmpSchema.NOTHING);
    }
}
