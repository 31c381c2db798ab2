namespace PtxEmulator.Tests;

/// <summary>The rounding of a result that is not representable.</summary>
internal enum Rounding
{
    /// <summary>.rn and .rni</summary>
    NearestEven,

    /// <summary>.rz and .rzi</summary>
    TowardZero,

    /// <summary>.rm and .rmi</summary>
    Down,

    /// <summary>.rp and .rpi</summary>
    Up,

    /// <summary>.rna</summary>
    NearestAway,
}
