package io.lockstep.bench.report;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/**
 * One figure in each round of a measurement.
 *
 * @param values a value a round, in the rounds' order
 */
public record Rounds(List<Double> values) {
    public Rounds {
        values = List.copyOf(values);
    }

    /** The upper one of two where their number is even. */
    public double median() {
        return sorted().get(values.size() / 2);
    }

    /** Of all rounds together. */
    public double sum() {
        return values.stream().mapToDouble(Double::doubleValue).sum();
    }

    /** How many times as large as another's each is, round by round. */
    public Rounds over(final Rounds other) {
        final List<Double> ratios = new ArrayList<>();
        for (int i = 0; i < Math.min(values.size(), other.values.size()); i++) {
            ratios.add(values.get(i) / other.values.get(i));
        }
        return new Rounds(ratios);
    }

    /** How much larger than another's each is, round by round. */
    public Rounds minus(final Rounds other) {
        final List<Double> differences = new ArrayList<>();
        for (int i = 0; i < Math.min(values.size(), other.values.size()); i++) {
            differences.add(values.get(i) - other.values.get(i));
        }
        return new Rounds(differences);
    }

    /** The larger one, round by round. */
    public Rounds max(final Rounds other) {
        final List<Double> larger = new ArrayList<>();
        for (int i = 0; i < values.size(); i++) {
            larger.add(Math.max(values.get(i), other.values.get(i)));
        }
        return new Rounds(larger);
    }

    /** The smaller one, round by round. */
    public Rounds min(final Rounds other) {
        final List<Double> smaller = new ArrayList<>();
        for (int i = 0; i < values.size(); i++) {
            smaller.add(Math.min(values.get(i), other.values.get(i)));
        }
        return new Rounds(smaller);
    }

    /** The median, and in parentheses the smallest and the largest; of one round that alone. */
    public String spread(final String format) {
        if (values.size() == 1) {
            return String.format(Locale.ROOT, format, values.getFirst());
        }
        final List<Double> sorted = sorted();
        return String.format(
                Locale.ROOT,
                format + " (" + format + "-" + format + ")",
                median(),
                sorted.getFirst(),
                sorted.getLast());
    }

    private List<Double> sorted() {
        return values.stream().sorted(Comparator.naturalOrder()).toList();
    }
}
