namespace PtxEmulator.Numerics;

internal enum Rounding
{
    NearestEven,
    Zero,
    Down,
    Up,

    /// <summary>To the nearest, ties away from zero.</summary>
    NearestAway,
}
