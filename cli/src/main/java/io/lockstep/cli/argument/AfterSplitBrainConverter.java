package io.lockstep.cli.argument;

import io.lockstep.engine.node.AfterSplitBrain;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads a policy such as {@code discard-older}. */
public final class AfterSplitBrainConverter implements ITypeConverter<AfterSplitBrain> {
    @Override
    public AfterSplitBrain convert(final String text) {
        return AfterSplitBrain.of(text)
                .orElseThrow(
                        () ->
                                new TypeConversionException(
                                        "'"
                                                + text
                                                + "' is none of "
                                                + String.join(", ", AfterSplitBrain.texts())));
    }
}
