package io.lockstep.cli.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;

import io.lockstep.cli.graph.BlockExports;
import io.lockstep.cli.graph.BlockGraph;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.engine.service.Engine;
import io.lockstep.engine.service.EngineOptions;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Stream;

/**
 * What {@code query-qmp-schema} tells, compared with what the commands of a whole engine do: each
 * takes what it declares and nothing else, and answers what it declares. The test walks through
 * what is told, whatever that is.
 */
final class QmpDeclarationsTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    /** Values that can be, where any of the type might not, and for which nobody waits. */
    private static final Map<String, JsonPrimitive> SAMPLES =
            Map.of(
                    "host", new JsonPrimitive("127.0.0.1"),
                    "port", new JsonPrimitive("0"),
                    "ipv4", new JsonPrimitive(true),
                    "path", new JsonPrimitive("/nowhere/socket"),
                    "open-timeout", new JsonPrimitive(0));

    private final Queue<String> problems = new ConcurrentLinkedQueue<>();
    private final QmpTypes types = QmpDeclarations.schema().types();
    private final Map<String, JsonObject> told = new HashMap<>();
    private Path folder;
    private Engine engine;
    private ControlService service;
    private QmpClient client;

    @BeforeEach
    void start() throws IOException {
        folder = Files.createTempDirectory("ls"); // a Unix socket's path must be short
        try (RandomAccessFile file = new RandomAccessFile(folder.resolve("a.raw").toFile(), "rw")) {
            file.setLength(1 << 20);
        }
        engine =
                Engine.start(
                        new EngineOptions(
                                4,
                                0,
                                new PrimaryOptions(1 << 20, FullLogPolicy.BLOCK, Word.NOW),
                                1,
                                1 << 20,
                                null,
                                null,
                                true,
                                false,
                                (event, disk, epoch, sentence) -> {},
                                new Quiet(),
                                thrown -> problems.add(thrown.toString())));
        final BlockGraph graph = new BlockGraph(engine);
        graph.addDrive("driver=raw,id=a,file.filename=" + folder.resolve("a.raw"));
        service =
                ControlService.start(
                        List.of(ControlAddress.at(folder.resolve("c"))),
                        new ControlledGroup(engine.group(), engine.loop(), () -> {}),
                        graph,
                        new BlockExports(graph),
                        thrown -> problems.add(thrown.toString()));
        client = QmpClient.connect(folder.resolve("c"), PATIENCE);
        for (final JsonElement entity : ask("query-qmp-schema", "{}").getAsJsonArray()) {
            final JsonObject object = entity.getAsJsonObject();
            assertEquals(null, told.put(object.get("name").getAsString(), object), "told twice");
        }
    }

    private static final class Quiet implements ServerEvents {
        @Override
        public void onDiskError(final String sentence) {}

        @Override
        public void onClientProblem(final String peer, final String sentence) {}
    }

    @AfterEach
    void stop() throws IOException {
        client.close();
        service.close();
        assertTrue(engine.stop());
        try (Stream<Path> files = Files.list(folder)) {
            for (final Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
        assertEquals(List.of(), List.copyOf(problems));
    }

    private JsonElement ask(final String command, final String arguments) throws IOException {
        return client.execute(
                command, JsonParser.parseString(arguments).getAsJsonObject(), PATIENCE);
    }

    /** What it is refused with; empty where it is not. */
    private String refusal(final String command, final JsonObject arguments) {
        try {
            client.execute(command, arguments, PATIENCE);
            return "";
        } catch (final QmpClient.RefusedException e) {
            assertFalse(e.getMessage().isBlank(), command);
            return e.getMessage();
        } catch (final IOException e) {
            throw new AssertionError(command + " " + arguments, e);
        }
    }

    private List<JsonObject> ofMetaType(final String metaType) {
        return told.values().stream()
                .filter(entity -> entity.get("meta-type").getAsString().equals(metaType))
                .toList();
    }

    private static String name(final JsonObject entity) {
        return entity.get("name").getAsString();
    }

    private static Set<String> names(final JsonElement array) {
        final Set<String> names = new TreeSet<>();
        array.getAsJsonArray().forEach(each -> names.add(name(each.getAsJsonObject())));
        return names;
    }

    @Test
    void allCommandsAndEventsAreToldAndNoOthers() throws IOException {
        final Set<String> commands = new TreeSet<>();
        ofMetaType("command").forEach(command -> commands.add(name(command)));
        assertEquals(commands, names(ask("query-commands", "{}")));
        assertEquals(commands, QmpDeclarations.schema().commandNames());
        final Set<String> events = new TreeSet<>();
        ofMetaType("event").forEach(event -> events.add(name(event)));
        assertEquals(events, names(ask("query-events", "{}")));
    }

    @Test
    void allTypesThatAreNamedAreTold() {
        for (final JsonObject entity : told.values()) {
            for (final String key : List.of("arg-type", "ret-type", "element-type")) {
                if (entity.has(key)) {
                    assertTrue(told.containsKey(entity.get(key).getAsString()), entity::toString);
                }
            }
            for (final String key : List.of("members", "variants")) {
                if (entity.has(key) && !entity.has("values")) {
                    for (final JsonElement part : entity.getAsJsonArray(key)) {
                        final String type = part.getAsJsonObject().get("type").getAsString();
                        assertTrue(told.containsKey(type), entity::toString);
                    }
                }
            }
        }
    }

    @Test
    void onlyWhatWaitsForNothingMayBeRunOutOfBand() {
        final Set<String> outOfBand = new TreeSet<>();
        ofMetaType("command").stream()
                .filter(command -> command.has("allow-oob"))
                .forEach(command -> outOfBand.add(name(command)));
        assertEquals(Set.of("query-yank", "x-lockstep-status", "yank"), outOfBand);
    }

    // ---- Arguments, made of what is told.

    private JsonArray members(final String type) {
        return told.get(type).getAsJsonArray("members");
    }

    /** One value for each variant that a type has. */
    private List<JsonElement> values(final String type) {
        final JsonObject entity = told.get(type);
        return switch (entity.get("meta-type").getAsString()) {
            case "builtin" ->
                    List.of(
                            switch (type) {
                                case "str" -> new JsonPrimitive("x");
                                case "bool" -> new JsonPrimitive(false);
                                default -> new JsonPrimitive(512);
                            });
            case "enum" -> entity.getAsJsonArray("values").asList();
            case "array" -> {
                final List<JsonElement> arrays = new ArrayList<>();
                for (final JsonElement value : values(entity.get("element-type").getAsString())) {
                    final JsonArray array = new JsonArray();
                    array.add(value);
                    arrays.add(array);
                }
                yield arrays;
            }
            case "alternate" -> List.of(new JsonPrimitive("x"));
            case "object" -> objects(type);
            default -> throw new AssertionError(entity);
        };
    }

    private List<JsonElement> objects(final String type) {
        final JsonObject entity = told.get(type);
        final List<JsonElement> objects = new ArrayList<>();
        if (!entity.has("tag")) {
            return complete(new JsonObject(), members(type));
        }
        final Set<String> tags = new TreeSet<>();
        for (final JsonElement variant : entity.getAsJsonArray("variants")) {
            final JsonObject object = new JsonObject();
            final JsonElement tag = variant.getAsJsonObject().get("case");
            tags.add(tag.getAsString());
            object.add(entity.get("tag").getAsString(), tag);
            for (final JsonElement base : complete(object, members(type))) {
                final String variantType = variant.getAsJsonObject().get("type").getAsString();
                objects.addAll(complete(base.getAsJsonObject(), members(variantType)));
            }
        }
        assertFalse(tags.isEmpty(), type);
        return objects;
    }

    /** With all members; where one has several values, an object for each. */
    private List<JsonElement> complete(final JsonObject start, final JsonArray members) {
        final List<JsonElement> objects = new ArrayList<>();
        JsonObject first = start.deepCopy();
        for (final JsonElement each : members) {
            final JsonObject member = each.getAsJsonObject();
            if (!first.has(name(member))) {
                first.add(
                        name(member),
                        SAMPLES.containsKey(name(member))
                                ? SAMPLES.get(name(member))
                                : values(member.get("type").getAsString()).getFirst());
            }
        }
        objects.add(first);
        for (final JsonElement each : members) {
            final JsonObject member = each.getAsJsonObject();
            final List<JsonElement> values = values(member.get("type").getAsString());
            for (final JsonElement value : values.subList(1, values.size())) {
                if (!start.has(name(member))) {
                    final JsonObject other = first.deepCopy();
                    other.add(name(member), value);
                    objects.add(other);
                }
            }
        }
        return objects;
    }

    private List<JsonObject> commandsWithArguments() {
        return ofMetaType("command").stream()
                .filter(command -> !command.get("arg-type").getAsString().equals("empty"))
                .filter(command -> !name(command).equals("qmp_capabilities")) // only once
                .toList();
    }

    @Test
    void allArgumentsThatAreDeclaredAreTaken() {
        int count = 0;
        for (final JsonObject command : commandsWithArguments()) {
            for (final JsonElement arguments : values(command.get("arg-type").getAsString())) {
                final String refusal = refusal(name(command), arguments.getAsJsonObject());
                assertFalse(
                        refusal.matches(
                                "(?s)Parameter '.*' (is (unexpected|missing)|does not accept).*"
                                        + "|Invalid parameter.*|.*does not support the option.*"),
                        () -> command + "\n" + arguments + "\n" + refusal);
                count++;
            }
        }
        assertTrue(count > 20, "few arguments were tried: " + count);
    }

    @Test
    void noOtherArgumentsAreTaken() {
        for (final JsonObject command : ofMetaType("command")) {
            final String type = command.get("arg-type").getAsString();
            if (name(command).equals("qmp_capabilities")) {
                continue;
            }
            for (final JsonElement arguments : values(type)) {
                final JsonObject more = arguments.getAsJsonObject().deepCopy();
                more.addProperty("zzz", 1);
                final String refusal = refusal(name(command), more);
                assertTrue(refusal.contains("zzz"), () -> command + "\n" + more + "\n" + refusal);
            }
        }
    }

    @Test
    void whatMustBeThereIsMissedByItsName() {
        for (final JsonObject command : commandsWithArguments()) {
            for (final JsonElement arguments : values(command.get("arg-type").getAsString())) {
                for (final JsonElement each : members(command.get("arg-type").getAsString())) {
                    final JsonObject member = each.getAsJsonObject();
                    if (!member.has("default")) {
                        final JsonObject less = arguments.getAsJsonObject().deepCopy();
                        less.remove(name(member));
                        assertEquals(
                                "Parameter '" + name(member) + "' is missing",
                                refusal(name(command), less));
                    }
                }
            }
        }
    }

    @Test
    void valuesOfAnotherTypeAreRefusedWithTheirName() {
        final List<String> wrong = List.of("null", "[[]]", "{\"zzz\": 1}", "1.5", "\"a\\u0000b\"");
        for (final JsonObject command : commandsWithArguments()) {
            final JsonObject complete =
                    values(command.get("arg-type").getAsString()).getFirst().getAsJsonObject();
            for (final String member : complete.keySet()) {
                for (final String value : wrong) {
                    final JsonObject arguments = complete.deepCopy();
                    arguments.add(member, JsonParser.parseString(value));
                    final String refusal = refusal(name(command), arguments);
                    // Nodes and objects are looked up before anything else is seen in them.
                    final boolean isAboutNode =
                            refusal.startsWith("Cannot find device=")
                                    || refusal.startsWith("Device '");
                    assertTrue(
                            refusal.contains(member) || isAboutNode,
                            () -> command + "\n" + arguments + "\n" + refusal);
                }
            }
        }
    }

    @Test
    void queriesAnswerWhatTheyDeclare() throws IOException {
        for (final JsonObject command : ofMetaType("command")) {
            if (name(command).matches("query-.*|x-lockstep-(status|histograms)")) {
                final String type = QmpDeclarations.schema().command(name(command)).answer();
                types.check(type, ask(name(command), "{}"), name(command));
            }
        }
    }
}
