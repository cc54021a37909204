package io.lockstep.hardening;

import com.code_intelligence.jazzer.junit.FuzzTest;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.cli.graph.DottedKeys;
import io.lockstep.cli.graph.GraphException;
import io.lockstep.cli.graph.NodeTexts;

import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Dotted keys are a tree or are refused with a sentence; a tree that is written out again in dotted
 * keys is the same tree. As a drive's options, or a node's, they are a node or an error.
 */
final class DottedKeysFuzzTest {
    static Stream<Arguments> seeds() {
        return FuzzSeeds.dottedKeys().stream().map(Arguments::of);
    }

    @MethodSource("seeds")
    @FuzzTest
    void text(final byte[] input) {
        FuzzWatch.begin(input);
        final String text = new String(input, StandardCharsets.UTF_8);
        FuzzCheck.that(!NodeTexts.drive(text).isEmpty(), "nothing to say");
        FuzzCheck.that(!NodeTexts.keys(text).isEmpty(), "nothing to say");
        final JsonObject tree;
        try {
            tree = DottedKeys.parse(text, "driver");
        } catch (final GraphException e) {
            FuzzCheck.that(!e.getMessage().isEmpty(), "nothing to say");
            return;
        }
        final List<String> keys = new ArrayList<>();
        write(tree, "", keys);
        FuzzCheck.that(DottedKeys.parse(String.join(",", keys), null).equals(tree), "another tree");
    }

    private static void write(final JsonElement value, final String path, final List<String> keys) {
        switch (value) {
            case final JsonObject object -> {
                for (final Map.Entry<String, JsonElement> member : object.entrySet()) {
                    write(
                            member.getValue(),
                            path.isEmpty() ? member.getKey() : path + "." + member.getKey(),
                            keys);
                }
            }
            case final JsonArray array -> {
                for (int i = 0; i < array.size(); i++) {
                    write(array.get(i), path + "." + i, keys);
                }
            }
            default -> keys.add(path + "=" + value.getAsString().replace(",", ",,"));
        }
    }
}
