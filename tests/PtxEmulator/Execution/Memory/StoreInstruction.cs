using System.Numerics;
using System.Runtime.CompilerServices;

namespace PtxEmulator.Execution;

/// <summary><c>st</c>: one element or one vector per thread.</summary>
internal sealed unsafe class StoreInstruction : MemoryInstruction
{
    public required int ElementBytes { get; init; }

    public required (int Slot, int LaneBytes)[] Sources { get; init; }

    protected override bool IsRead => false;

    protected override bool IsWrite => true;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected override void Transfer(Warp warp, uint mask, AccessShape shape, ulong* hosts)
    {
        if (shape == AccessShape.Contiguous && Sources.Length == 1 && ElementBytes == Sources[0].LaneBytes)
        {
            Unsafe.CopyBlock((byte*)hosts[0], warp.Registers + Sources[0].Slot, (uint)(ElementBytes * Lanes.Count));
            return;
        }
        for (int lane = 1; lane < Lanes.Count && shape != AccessShape.Scattered; lane++)
            hosts[lane] = hosts[0] + (shape == AccessShape.Contiguous ? (ulong)(lane * AccessBytes) : 0);
        for (int element = 0; element < Sources.Length; element++)
        {
            (int slot, int laneBytes) = Sources[element];
            byte* source = warp.Registers + slot;
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                Write((byte*)hosts[lane] + (element * ElementBytes), Lanes.Get(source, lane, laneBytes));
            }
        }
    }

    /// <summary>Several threads may write the same value in one instruction. Which of several values remains is
    /// undefined.</summary>
    protected override void CheckOverlap(Warp warp, uint mask, AccessShape shape, ulong* hosts)
    {
        byte* values = stackalloc byte[Lanes.Count * AccessBytes];
        ulong* starts = stackalloc ulong[Lanes.Count];
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            starts[lane] = shape == AccessShape.Uniform ? hosts[0] : hosts[lane];
            for (int element = 0; element < Sources.Length; element++)
            {
                Write(values + (lane * AccessBytes) + (element * ElementBytes),
                    Lanes.Get(warp.Registers + Sources[element].Slot, lane, Sources[element].LaneBytes));
            }
            for (uint others = mask & ((1u << lane) - 1); others != 0; others &= others - 1)
            {
                int other = BitOperations.TrailingZeroCount(others);
                // Accesses are aligned to their size, so they overlap completely.
                if (starts[other] != starts[lane] || new Span<byte>(values + (other * AccessBytes), AccessBytes)
                    .SequenceEqual(new Span<byte>(values + (lane * AccessBytes), AccessBytes)))
                {
                    continue;
                }
                ulong address = starts[lane] - (ulong)warp.Block.Shared.Bytes;
                throw warp.Fault(PtxFaultKind.WarpRace, $"write of {AccessBytes} bytes at 0x{address:x} of shared "
                    + $"memory, where thread {other} of the warp writes another value in the same instruction", lane,
                    address);
            }
        }
    }

    private void Write(byte* host, ulong value)
    {
        switch (ElementBytes)
        {
            case 1:
                *host = (byte)value;
                break;
            case 2:
                *(ushort*)host = (ushort)value;
                break;
            case 4:
                *(uint*)host = (uint)value;
                break;
            default:
                *(ulong*)host = value;
                break;
        }
    }
}
