using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Execution;

/// <summary>An address operand: a register and a constant offset.</summary>
/// <param name="Slot">The register.</param>
/// <param name="LaneBytes">4 for 32-bit addresses.</param>
/// <param name="Offset">The offset that is added to the register.</param>
internal readonly record struct AddressSource(int Slot, int LaneBytes, long Offset)
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public unsafe void Compute(Warp warp, ulong* addresses)
    {
        byte* register = warp.Registers + Slot;
        if (LaneBytes == sizeof(ulong))
        {
            Vector512<ulong> offset = Vector512.Create((ulong)Offset);
            for (int chunk = 0; chunk < Lanes.ChunkCount<ulong>(); chunk++)
                Lanes.Store((byte*)addresses, chunk, Lanes.Load<ulong>(register, chunk) + offset, Lanes.All);
            return;
        }
        Vector512<uint> narrowOffset = Vector512.Create((uint)Offset);
        for (int chunk = 0; chunk < Lanes.ChunkCount<uint>(); chunk++)
        {
            (Vector512<ulong> lower, Vector512<ulong> upper)
                = Vector512.Widen(Lanes.Load<uint>(register, chunk) + narrowOffset);
            Lanes.Store((byte*)addresses, 2 * chunk, lower, Lanes.All);
            Lanes.Store((byte*)addresses, (2 * chunk) + 1, upper, Lanes.All);
        }
    }
}
