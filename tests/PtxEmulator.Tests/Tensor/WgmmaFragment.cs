namespace PtxEmulator.Tests;

/// <summary>The accumulators of a warp of a warpgroup, as drawn in PTX ISA 9.7.15.5.1.1.1: for each row and column the
/// thread and its element.</summary>
internal static class WgmmaFragment
{
    private static readonly string[] s_eight =
    [
        "0.0 0.1 1.0 1.1 2.0 2.1 3.0 3.1",
        "4.0 4.1 5.0 5.1 6.0 6.1 7.0 7.1",
        "8.0 8.1 9.0 9.1 10.0 10.1 11.0 11.1",
        "12.0 12.1 13.0 13.1 14.0 14.1 15.0 15.1",
        "16.0 16.1 17.0 17.1 18.0 18.1 19.0 19.1",
        "20.0 20.1 21.0 21.1 22.0 22.1 23.0 23.1",
        "24.0 24.1 25.0 25.1 26.0 26.1 27.0 27.1",
        "28.0 28.1 29.0 29.1 30.0 30.1 31.0 31.1",
        "0.2 0.3 1.2 1.3 2.2 2.3 3.2 3.3",
        "4.2 4.3 5.2 5.3 6.2 6.3 7.2 7.3",
        "8.2 8.3 9.2 9.3 10.2 10.3 11.2 11.3",
        "12.2 12.3 13.2 13.3 14.2 14.3 15.2 15.3",
        "16.2 16.3 17.2 17.3 18.2 18.3 19.2 19.3",
        "20.2 20.3 21.2 21.3 22.2 22.3 23.2 23.3",
        "24.2 24.3 25.2 25.3 26.2 26.3 27.2 27.3",
        "28.2 28.3 29.2 29.3 30.2 30.3 31.2 31.3",
    ];

    private static readonly string[] s_sixteen =
    [
        "0.0 0.1 1.0 1.1 2.0 2.1 3.0 3.1 0.4 0.5 1.4 1.5 2.4 2.5 3.4 3.5",
        "4.0 4.1 5.0 5.1 6.0 6.1 7.0 7.1 4.4 4.5 5.4 5.5 6.4 6.5 7.4 7.5",
        "8.0 8.1 9.0 9.1 10.0 10.1 11.0 11.1 8.4 8.5 9.4 9.5 10.4 10.5 11.4 11.5",
        "12.0 12.1 13.0 13.1 14.0 14.1 15.0 15.1 12.4 12.5 13.4 13.5 14.4 14.5 15.4 15.5",
        "16.0 16.1 17.0 17.1 18.0 18.1 19.0 19.1 16.4 16.5 17.4 17.5 18.4 18.5 19.4 19.5",
        "20.0 20.1 21.0 21.1 22.0 22.1 23.0 23.1 20.4 20.5 21.4 21.5 22.4 22.5 23.4 23.5",
        "24.0 24.1 25.0 25.1 26.0 26.1 27.0 27.1 24.4 24.5 25.4 25.5 26.4 26.5 27.4 27.5",
        "28.0 28.1 29.0 29.1 30.0 30.1 31.0 31.1 28.4 28.5 29.4 29.5 30.4 30.5 31.4 31.5",
        "0.2 0.3 1.2 1.3 2.2 2.3 3.2 3.3 0.6 0.7 1.6 1.7 2.6 2.7 3.6 3.7",
        "4.2 4.3 5.2 5.3 6.2 6.3 7.2 7.3 4.6 4.7 5.6 5.7 6.6 6.7 7.6 7.7",
        "8.2 8.3 9.2 9.3 10.2 10.3 11.2 11.3 8.6 8.7 9.6 9.7 10.6 10.7 11.6 11.7",
        "12.2 12.3 13.2 13.3 14.2 14.3 15.2 15.3 12.6 12.7 13.6 13.7 14.6 14.7 15.6 15.7",
        "16.2 16.3 17.2 17.3 18.2 18.3 19.2 19.3 16.6 16.7 17.6 17.7 18.6 18.7 19.6 19.7",
        "20.2 20.3 21.2 21.3 22.2 22.3 23.2 23.3 20.6 20.7 21.6 21.7 22.6 22.7 23.6 23.7",
        "24.2 24.3 25.2 25.3 26.2 26.3 27.2 27.3 24.6 24.7 25.6 25.7 26.6 26.7 27.6 27.7",
        "28.2 28.3 29.2 29.3 30.2 30.3 31.2 31.3 28.6 28.7 29.6 29.7 30.6 30.7 31.6 31.7",
    ];

    /// <summary>The thread of the warpgroup and its element at a row (of 64) and column of an accumulator with eight
    /// columns.</summary>
    public static (int Thread, int Element) OfEight(int row, int column) => Of(s_eight, row, column);

    /// <summary>The same for sixteen columns.</summary>
    public static (int Thread, int Element) OfSixteen(int row, int column) => Of(s_sixteen, row, column);

    /// <summary>The same for any number of columns: eight more columns are four more elements.</summary>
    public static (int Thread, int Element) Of(int row, int column)
    {
        (int thread, int element) = OfEight(row, column % 8);
        return (thread, element + (column / 8 * 4));
    }

    private static (int Thread, int Element) Of(string[] table, int row, int column)
    {
        string[] place = table[row % 16].Split(' ')[column].Split('.');
        return ((row / 16 * 32) + int.Parse(place[0], null), int.Parse(place[1], null));
    }
}
