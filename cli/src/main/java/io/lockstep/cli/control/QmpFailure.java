package io.lockstep.cli.control;

import io.lockstep.cli.graph.GraphException;
import io.lockstep.engine.group.GroupException;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;

/**
 * What to tell of a command's failure, whatever layer it came from: an immutable value.
 *
 * @param errorClass QEMU's
 * @param sentence never empty
 * @param isExpected whether it is for the client alone; of anything else the console hears too
 */
record QmpFailure(String errorClass, String sentence, boolean isExpected) {
    /** Of what a command threw, or its answer failed with. */
    static QmpFailure of(final Throwable thrown) {
        return switch (thrown) {
            case CompletionException wrapped when wrapped.getCause() != null ->
                    of(wrapped.getCause());
            case ExecutionException wrapped when wrapped.getCause() != null ->
                    of(wrapped.getCause());
            case UncheckedIOException wrapped -> of(wrapped.getCause());
            case QmpException refused ->
                    new QmpFailure(refused.errorClass(), refused.getMessage(), true);
            case GraphException refused -> generic(refused);
            case GroupException refused -> generic(refused);
            case FileSystemException failed ->
                    new QmpFailure(QmpException.GENERIC, sentence(failed), true);
            case IOException failed -> generic(failed);
            // What checks its arguments refuses them in this way, with a sentence.
            case IllegalArgumentException refused -> generic(refused);
            default ->
                    new QmpFailure(
                            QmpException.GENERIC,
                            "the command failed unexpectedly ("
                                    + thrown
                                    + "); the engine goes on, and has told of it on its standard"
                                    + " error",
                            false);
        };
    }

    private static QmpFailure generic(final Throwable thrown) {
        final String message = thrown.getMessage();
        return new QmpFailure(
                QmpException.GENERIC,
                message == null || message.isBlank()
                        ? "it failed: " + thrown.getClass().getSimpleName()
                        : message,
                true);
    }

    /** The messages of some are a path, and nothing else. */
    private static String sentence(final FileSystemException failed) {
        final String reason =
                switch (failed) {
                    case NoSuchFileException absent -> "no such file or directory";
                    case AccessDeniedException denied -> "permission denied";
                    case DirectoryNotEmptyException full -> "a directory is in the way";
                    case FileAlreadyExistsException present -> "it is there already";
                    default ->
                            failed.getReason() == null
                                    ? failed.getClass().getSimpleName()
                                    : failed.getReason();
                };
        return failed.getFile() + ": " + reason;
    }
}
