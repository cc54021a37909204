package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What the schema tells of commands that are QEMU's, laid beside what QEMU's own tells: whoever
 * reads either understands the other. Each of our arguments is there in QEMU, of the same kind, and
 * what QEMU lets users leave out can be left out here.
 */
final class QemuSchemaTest {
    /** Values of QEMU's enumerations that are ours alone. */
    private static final Set<String> OWN_VALUES = Set.of("extents");

    @AutoClose private final Rig rig = new Rig();
    private Map<String, JsonObject> theirs;
    private Map<String, JsonObject> ours;
    private final List<String> differences = new ArrayList<>();
    private final Set<String> compared = new HashSet<>();

    private Map<String, JsonObject> schema(final Path socket) {
        final JsonArray entities =
                rig.keep(QmpLine.connect(socket))
                        .ask("{ 'execute': 'query-qmp-schema' }")
                        .getAsJsonArray("return");
        final Map<String, JsonObject> byName = new HashMap<>();
        for (final JsonElement entity : entities) {
            byName.put(text(entity.getAsJsonObject(), "name"), entity.getAsJsonObject());
        }
        return byName;
    }

    private static String text(final JsonObject object, final String member) {
        return object.get(member).getAsString();
    }

    @Test
    void ofItsCommandsIsTheSameInKind() {
        theirs = schema(QemuProcess.start(rig, "q", List.of()).secondMonitor());
        rig.server(List.of("engine", "--qmp", rig.path("l").toString()));
        ours = schema(rig.path("l"));
        int count = 0;
        for (final Map.Entry<String, JsonObject> entity : ours.entrySet()) {
            final JsonObject their = theirs.get(entity.getKey());
            if (text(entity.getValue(), "meta-type").equals("command") && their != null) {
                count++;
                assertEquals(
                        their.has("allow-oob"), entity.getValue().has("allow-oob"), entity::getKey);
                compare(entity.getKey(), text(entity.getValue(), "arg-type"), argument(their));
            }
        }
        assertEquals(List.of(), differences);
        assertTrue(count > 20, "few commands are in both: " + count);
    }

    private static String argument(final JsonObject command) {
        return text(command, "arg-type");
    }

    private void compare(final String where, final String ourType, final String theirType) {
        if (!compared.add(ourType + " " + theirType)) {
            return;
        }
        final JsonObject our = ours.get(ourType);
        final JsonObject their = theirs.get(theirType);
        if (text(their, "meta-type").equals("alternate") && !our.has("tag")) {
            return; // a choice of theirs, of which we have some
        }
        if (!text(our, "meta-type").equals(text(their, "meta-type"))) {
            differences.add(where + ": " + our + " is not of the kind of " + their);
            return;
        }
        switch (text(our, "meta-type")) {
            case "builtin" -> {
                if (!text(our, "json-type").equals(text(their, "json-type"))) {
                    differences.add(where + ": " + our + ", there " + their);
                }
            }
            case "enum" -> {
                final List<JsonElement> values = their.getAsJsonArray("values").asList();
                for (final JsonElement value : our.getAsJsonArray("values")) {
                    if (!values.contains(value) && !OWN_VALUES.contains(value.getAsString())) {
                        differences.add(where + ": there is no value " + value);
                    }
                }
            }
            case "array" -> compare(where, text(our, "element-type"), text(their, "element-type"));
            default -> compareObjects(where, our, their);
        }
    }

    private static Map<String, JsonObject> members(final JsonObject type) {
        final Map<String, JsonObject> members = new LinkedHashMap<>();
        for (final JsonElement member : type.getAsJsonArray("members")) {
            members.put(text(member.getAsJsonObject(), "name"), member.getAsJsonObject());
        }
        return members;
    }

    private void compareObjects(final String where, final JsonObject our, final JsonObject their) {
        final Map<String, JsonObject> theirMembers = members(their);
        final Map<String, JsonObject> ourMembers = members(our);
        ourMembers.forEach(
                (name, member) -> {
                    final JsonObject other = theirMembers.get(name);
                    final String place = where + "." + name;
                    if (other == null) {
                        differences.add(place + " is not there");
                    } else {
                        if (other.has("default") && !member.has("default")) {
                            differences.add(place + " may be left out there");
                        }
                        compare(place, text(member, "type"), text(other, "type"));
                    }
                });
        theirMembers.forEach(
                (name, member) -> {
                    if (!member.has("default") && !ourMembers.containsKey(name)) {
                        differences.add(where + "." + name + " must be there");
                    }
                });
        if (our.has("tag")) {
            assertEquals(our.get("tag"), their.get("tag"), where);
            final Map<String, String> theirVariants = variants(their);
            variants(our)
                    .forEach(
                            (value, type) -> {
                                if (theirVariants.containsKey(value)) {
                                    final String variant = theirVariants.get(value);
                                    compare(where + "(" + value + ")", type, variant);
                                }
                            });
        }
    }

    private static Map<String, String> variants(final JsonObject type) {
        final Map<String, String> variants = new LinkedHashMap<>();
        for (final JsonElement variant : type.getAsJsonArray("variants")) {
            variants.put(
                    text(variant.getAsJsonObject(), "case"),
                    text(variant.getAsJsonObject(), "type"));
        }
        return variants;
    }
}
