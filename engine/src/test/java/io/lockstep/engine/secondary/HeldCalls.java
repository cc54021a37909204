package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.Disk;

import java.lang.reflect.Proxy;
import java.util.List;
import java.util.function.BooleanSupplier;

/** Disks whose operations a test puts off. */
final class HeldCalls {
    private HeldCalls() {}

    /** The disk, which puts operations of a name off while it is told to. */
    static Disk of(
            final Disk disk,
            final String name,
            final BooleanSupplier isHolding,
            final List<Runnable> held) {
        return (Disk)
                Proxy.newProxyInstance(
                        Disk.class.getClassLoader(),
                        new Class<?>[] {Disk.class},
                        (proxy, method, arguments) -> {
                            if (!method.getName().equals(name) || !isHolding.getAsBoolean()) {
                                return method.invoke(disk, arguments);
                            }
                            held.add(
                                    () -> {
                                        try {
                                            method.invoke(disk, arguments);
                                        } catch (final ReflectiveOperationException e) {
                                            throw new LinkageError(e.getMessage(), e);
                                        }
                                    });
                            return null;
                        });
    }
}
