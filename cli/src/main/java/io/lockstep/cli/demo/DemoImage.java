package io.lockstep.cli.demo;

import io.lockstep.cli.run.BlockingGuest;
import io.lockstep.engine.memory.PrivateFiles;

import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/** The demo's files: a real file system where the machine can make one, and sums of disks. */
final class DemoImage {
    private static final int FILES = 40;
    private static final int FILE_LENGTH = 200_000;
    private static final long TOOL_SECONDS_MAX = 30;

    /** Where administrators' programs are, which are on no PATH but root's. */
    private static final List<String> DIRECTORIES = List.of("/usr/sbin", "/sbin", "/usr/bin");

    private DemoImage() {}

    /**
     * Makes an image with an ext4 file system and some files in it; without mke2fs, one of random
     * bytes.
     *
     * @return what it is
     */
    static String make(final Path image, final long length)
            throws IOException, InterruptedException {
        PrivateFiles.makeHole(image, length);
        final Path tree = Files.createDirectory(image.resolveSibling("tree"));
        final Random random = new Random(1);
        for (int i = 0; i < FILES; i++) {
            final byte[] content = new byte[FILE_LENGTH];
            random.nextBytes(content);
            Files.write(tree.resolve("file" + i), content);
        }
        if (runs("mke2fs", "-q", "-F", "-t", "ext4", "-d", tree.toString(), image.toString())) {
            return "an ext4 file system with " + FILES + " files";
        }
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            final byte[] content = new byte[FILE_LENGTH];
            for (int i = 0; i < FILES; i++) {
                random.nextBytes(content);
                file.seek(i * (length / FILES));
                file.write(content);
            }
        }
        return "random bytes (there is no mke2fs here)";
    }

    /** What e2fsck says of an image: true where it finds nothing wrong, or is not there. */
    static boolean isClean(final Path image) throws IOException, InterruptedException {
        return !isThere("e2fsck")
                || !isThere("mke2fs")
                || runs("e2fsck", "-f", "-n", image.toString());
    }

    /** Whether a file system can be made and checked. */
    static boolean canCheck() {
        return isThere("e2fsck") && isThere("mke2fs");
    }

    private static boolean isThere(final String program) {
        return DIRECTORIES.stream()
                .anyMatch(directory -> Files.isExecutable(Path.of(directory, program)));
    }

    private static boolean runs(final String program, final String... arguments)
            throws IOException, InterruptedException {
        for (final String directory : DIRECTORIES) {
            final Path path = Path.of(directory, program);
            if (Files.isExecutable(path)) {
                final ProcessBuilder builder = new ProcessBuilder(path.toString());
                builder.command().addAll(List.of(arguments));
                final Process process =
                        builder.redirectInput(Path.of("/dev/null").toFile())
                                .redirectErrorStream(true)
                                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                                .start();
                if (!process.waitFor(TOOL_SECONDS_MAX, TimeUnit.SECONDS)) {
                    process.destroyForcibly();
                    return false;
                }
                return process.exitValue() == 0;
            }
        }
        return false;
    }

    /** The SHA-256 of a file's content, in hexadecimal. */
    static String sumOf(final Path file) throws IOException {
        final MessageDigest digest = sha256();
        final byte[] bytes = new byte[1 << 20];
        try (InputStream in = Files.newInputStream(file)) {
            int count = in.read(bytes);
            while (count >= 0) {
                digest.update(bytes, 0, count);
                count = in.read(bytes);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /** The SHA-256 of what a guest reads. */
    static String sumOf(final BlockingGuest guest, final long length)
            throws IOException, InterruptedException {
        final MessageDigest digest = sha256();
        for (long offset = 0; offset < length; offset += BlockingGuest.CHUNK_LENGTH) {
            digest.update(
                    guest.read(
                            offset, (int) Math.min(BlockingGuest.CHUNK_LENGTH, length - offset)));
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (final NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every Java has it
        }
    }

    /** How many blocks differ between two files of one length. */
    static long differingBlocks(final Path one, final Path other) throws IOException {
        long count = 0;
        try (InputStream first = Files.newInputStream(one);
                InputStream second = Files.newInputStream(other)) {
            byte[] block = first.readNBytes(BlockingGuest.BLOCK_LENGTH);
            while (block.length > 0) {
                if (!Arrays.equals(block, second.readNBytes(block.length))) {
                    count++;
                }
                block = first.readNBytes(BlockingGuest.BLOCK_LENGTH);
            }
        }
        return count;
    }
}
