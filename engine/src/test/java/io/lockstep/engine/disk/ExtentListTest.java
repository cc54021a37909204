package io.lockstep.engine.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

final class ExtentListTest {
    @Test
    void aHoleThatIsTooShortJoinsTheDataAroundIt() {
        final ExtentList list = new ExtentList(8);
        list.add(83, ExtentList.HOLE);
        list.add(4096, ExtentList.DATA);
        list.add(1, ExtentList.ZERO);
        list.add(10, ExtentList.DATA);
        list.add(84, ExtentList.HOLE);
        list.add(1, ExtentList.DATA);
        list.add(2, ExtentList.HOLE);

        list.fillHolesShorterThan(84);

        assertEquals(3, list.size());
        assertEquals(83 + 4096 + 1 + 10, list.length(0));
        assertEquals(ExtentList.DATA, list.state(0));
        assertEquals(84, list.length(1));
        assertEquals(ExtentList.HOLE, list.state(1));
        assertEquals(3, list.length(2));
        assertEquals(ExtentList.DATA, list.state(2));
        assertEquals(83 + 4096 + 1 + 10 + 84 + 3, list.totalLength());
    }
}
