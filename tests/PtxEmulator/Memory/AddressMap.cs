namespace PtxEmulator.Memory;

/// <summary>The generic addresses of the state spaces. Global memory is at its own addresses; shared and local memory
/// are windows.</summary>
internal static class AddressMap
{
    public const ulong Global = 0x7_0000_0000;
    public const ulong Shared = 0x100_0000_0000;
    public const ulong Local = 0x200_0000_0000;
    public const ulong WindowBytes = 1ul << 32;

    public static bool IsShared(ulong address) => address - Shared < WindowBytes;

    public static bool IsLocal(ulong address) => address - Local < WindowBytes;
}
