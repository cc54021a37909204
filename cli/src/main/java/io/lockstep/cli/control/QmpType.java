package io.lockstep.cli.control;

import java.util.List;
import java.util.Map;

/** A type of QMP's values: an immutable value. Other types it names, and {@link QmpTypes} knows. */
sealed interface QmpType {
    /** Types that need no declaration. */
    enum Builtin implements QmpType {
        /** A string, which has no NUL. */
        STR("str", "str", "string"),
        BOOL("bool", "bool", "boolean"),
        /** 64 bits with a sign. */
        INT("int", "int", "int"),
        /** A count; the schema tells of it as of any int, as QEMU's does. */
        UINT32("uint32", "int", "int"),
        NUMBER("number", "number", "number"),
        /** Whatever is JSON. */
        ANY("any", "any", "value");

        private final String typeName;
        private final String schemaName;
        private final String jsonType;

        Builtin(final String typeName, final String schemaName, final String jsonType) {
            this.typeName = typeName;
            this.schemaName = schemaName;
            this.jsonType = jsonType;
        }

        /** In declarations. */
        String typeName() {
            return typeName;
        }

        /** In the schema. */
        String schemaName() {
            return schemaName;
        }

        /** What the schema says is in JSON. */
        String jsonType() {
            return jsonType;
        }
    }

    /** One of these strings. */
    record Enumeration(List<String> values) implements QmpType {}

    /** A list. */
    record ListOf(String element) implements QmpType {}

    /** A member of an object. */
    record Member(String name, String type, boolean isOptional) {}

    /**
     * An object.
     *
     * @param members those that it has whatever its tag says
     * @param tag the member that says which further ones it has; empty for none
     * @param variants types by the tag's values
     */
    record Structure(List<Member> members, String tag, Map<String, String> variants)
            implements QmpType {}

    /** One of these types. */
    record Alternate(List<String> types) implements QmpType {}
}
