package io.lockstep.cli.argument;

import io.lockstep.cli.control.PeerMonitor;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Where a QMP monitor is: {@code PATH}, {@code unix:PATH} or {@code tcp:HOST:PORT}. Stateless. */
final class PeerMonitorConverter implements ITypeConverter<PeerMonitor.Address> {
    @Override
    public PeerMonitor.Address convert(final String text) {
        try {
            return PeerMonitor.Address.parse(text);
        } catch (final IllegalArgumentException e) {
            throw new TypeConversionException(e.getMessage());
        }
    }
}
