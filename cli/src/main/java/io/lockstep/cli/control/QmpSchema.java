package io.lockstep.cli.control;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;

import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Predicate;

/**
 * The commands and events that there may be, one declaration each: by it a command's arguments are
 * checked, and of it {@code query-qmp-schema} tells. Filled once, then only read. Source: QEMU's
 * {@code docs/devel/qapi-code-gen.rst}, "Client JSON Protocol introspection".
 */
final class QmpSchema {
    /**
     * A command.
     *
     * @param arguments the type of all of them
     * @param answer the type of what it answers
     * @param isOob whether it may be run out of band
     * @param isCheckedByItself whether it checks its arguments in words of its own
     */
    record Command(String arguments, String answer, boolean isOob, boolean isCheckedByItself) {
        /** May be run out of band: it waits for nothing. */
        Command oob() {
            return new Command(arguments, answer, true, isCheckedByItself);
        }

        /** What it takes is written in other notations too, and read in one place. */
        Command checkedByItself() {
            return new Command(arguments, answer, isOob, true);
        }
    }

    /** The type of no arguments, and of an answer without content. */
    static final String NOTHING = "empty";

    private final QmpTypes types;
    private final SortedMap<String, Command> commands = new TreeMap<>();
    private final SortedMap<String, String> events = new TreeMap<>();

    /** A schema of values of these types. */
    QmpSchema(final QmpTypes types) {
        this.types = types.object(NOTHING, "");
    }

    /**
     * Declares a command.
     *
     * @param arguments as {@link QmpTypes#object} takes them
     * @param answer a type's name
     */
    QmpSchema command(final String name, final String arguments, final String answer) {
        types.object(name + "-arguments", arguments);
        return command(name, new Command(name + "-arguments", answer, false, false));
    }

    /** Declares one that takes nothing. */
    QmpSchema command(final String name, final String answer) {
        return command(name, new Command(NOTHING, answer, false, false));
    }

    private QmpSchema command(final String name, final Command command) {
        if (commands.put(name, command) != null) {
            throw new IllegalArgumentException("command " + name + " is declared twice");
        }
        return this;
    }

    /** Declares one whose arguments are of a type that was declared. */
    QmpSchema commandOf(final String name, final String type, final String answer) {
        return command(name, new Command(type, answer, false, false));
    }

    /** Says of commands that were declared that they may be run out of band. */
    QmpSchema oob(final String... names) {
        for (final String name : names) {
            commands.put(name, command(name).oob());
        }
        return this;
    }

    /** Says of one that was declared that it checks its arguments in words of its own. */
    QmpSchema checkedByItself(final String name) {
        commands.put(name, command(name).checkedByItself());
        return this;
    }

    /** Declares an event, by the type of its data. */
    QmpSchema event(final String name, final String type) {
        events.put(name, type);
        return this;
    }

    /** The command of that name, which must be declared. */
    Command command(final String name) {
        final Command command = commands.get(name);
        if (command == null) {
            throw new IllegalArgumentException("command " + name + " is not declared");
        }
        return command;
    }

    /** The names of all commands. */
    Set<String> commandNames() {
        return commands.keySet();
    }

    /** The names of all events. */
    Set<String> eventNames() {
        return events.keySet();
    }

    /** The types of commands and events. */
    QmpTypes types() {
        return types;
    }

    /**
     * Checks a command's arguments.
     *
     * @throws QmpException where they are not what it takes
     */
    void checkArguments(final String name, final JsonObject arguments) {
        final Command command = command(name);
        if (!command.isCheckedByItself()) {
            types.check(command.arguments(), arguments, "");
        }
    }

    /** Whether a value is what a command answers. */
    boolean isAnswer(final String name, final JsonElement value) {
        return types.isOf(command(name).answer(), value);
    }

    /** Whether data is what an event has. */
    boolean isEvent(final String name, final JsonObject data) {
        return events.containsKey(name) && types.isOf(events.get(name), data);
    }

    // ---- What it tells.

    /**
     * Tells of commands, of all events, and of the types that these name.
     *
     * @param isThere which commands
     */
    JsonArray introspect(final Predicate<String> isThere) {
        final JsonArray told = new JsonArray();
        final Set<String> named = new LinkedHashSet<>();
        commands.forEach(
                (name, command) -> {
                    if (isThere.test(name)) {
                        final JsonObject entity = entity(name, "command", told);
                        entity.addProperty("arg-type", command.arguments());
                        entity.addProperty("ret-type", schemaName(command.answer()));
                        if (command.isOob()) {
                            entity.addProperty("allow-oob", true);
                        }
                        named.add(command.arguments());
                        named.add(command.answer());
                    }
                });
        events.forEach(
                (name, type) -> {
                    entity(name, "event", told).addProperty("arg-type", type);
                    named.add(type);
                });
        final Map<String, JsonObject> ofTypes = new LinkedHashMap<>();
        named.forEach(name -> tell(name, ofTypes));
        ofTypes.values().forEach(told::add);
        return told;
    }

    private static JsonObject entity(
            final String name, final String metaType, final JsonArray told) {
        final JsonObject entity = entity(name, metaType);
        told.add(entity);
        return entity;
    }

    private static JsonObject entity(final String name, final String metaType) {
        final JsonObject entity = new JsonObject();
        entity.addProperty("name", name);
        entity.addProperty("meta-type", metaType);
        return entity;
    }

    private String schemaName(final String type) {
        return switch (types.find(type)) {
            case QmpType.Builtin builtin -> builtin.schemaName();
            case QmpType.ListOf(String element) -> "[" + schemaName(element) + "]";
            default -> type;
        };
    }

    /** Tells of a type, unless that was done, and of those that it names. */
    private void tell(final String type, final Map<String, JsonObject> told) {
        final String name = schemaName(type);
        if (told.containsKey(name)) {
            return;
        }
        switch (types.find(type)) {
            case QmpType.Builtin builtin -> {
                final JsonObject entity = entity(name, "builtin");
                entity.addProperty("json-type", builtin.jsonType());
                told.put(name, entity);
            }
            case QmpType.Enumeration enumeration -> told.put(name, tell(name, enumeration));
            case QmpType.ListOf(String element) -> {
                final JsonObject entity = entity(name, "array");
                entity.addProperty("element-type", schemaName(element));
                told.put(name, entity);
                tell(element, told);
            }
            case QmpType.Structure structure -> {
                told.put(name, tell(name, structure));
                structure.members().forEach(member -> tell(member.type(), told));
                structure.variants().values().forEach(variant -> tell(variant, told));
            }
            case QmpType.Alternate alternate -> {
                final JsonObject entity = entity(name, "alternate");
                final JsonArray members = new JsonArray();
                alternate.types().forEach(each -> members.add(typed(schemaName(each))));
                entity.add("members", members);
                told.put(name, entity);
                alternate.types().forEach(each -> tell(each, told));
            }
        }
    }

    private static JsonObject typed(final String type) {
        final JsonObject object = new JsonObject();
        object.addProperty("type", type);
        return object;
    }

    private static JsonObject tell(final String name, final QmpType.Enumeration type) {
        final JsonObject entity = entity(name, "enum");
        final JsonArray members = new JsonArray();
        final JsonArray values = new JsonArray();
        for (final String value : type.values()) {
            final JsonObject member = new JsonObject();
            member.addProperty("name", value);
            members.add(member);
            values.add(value);
        }
        entity.add("members", members);
        entity.add("values", values); // as it was before QEMU 6.2, for whoever reads that
        return entity;
    }

    private JsonObject tell(final String name, final QmpType.Structure type) {
        final JsonObject entity = entity(name, "object");
        final JsonArray members = new JsonArray();
        for (final QmpType.Member member : type.members()) {
            final JsonObject told = new JsonObject();
            told.addProperty("name", member.name());
            told.addProperty("type", schemaName(member.type()));
            if (member.isOptional()) {
                told.add("default", JsonNull.INSTANCE);
            }
            members.add(told);
        }
        entity.add("members", members);
        if (!type.tag().isEmpty()) {
            entity.addProperty("tag", type.tag());
            final JsonArray variants = new JsonArray();
            type.variants()
                    .forEach(
                            (value, variant) -> {
                                final JsonObject told = new JsonObject();
                                told.addProperty("case", value);
                                told.addProperty("type", variant);
                                variants.add(told);
                            });
            entity.add("variants", variants);
        }
        return entity;
    }
}
