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
