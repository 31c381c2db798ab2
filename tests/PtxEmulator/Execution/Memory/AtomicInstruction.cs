using System.Numerics;

namespace PtxEmulator.Execution;

/// <summary><c>atom</c> and <c>red</c>. The threads execute one after the other, in thread order.</summary>
internal sealed unsafe class AtomicInstruction(LaneOperation operation) : MemoryInstruction
{
    /// <summary>The destination of the old value; the slot is negative if there is none.</summary>
    public required LaneSlot Destination { get; init; }

    public required LaneSlot B { get; init; }

    public required LaneSlot C { get; init; }

    protected override bool IsRead => true;

    protected override bool IsWrite => true;

    protected override void Transfer(Warp warp, uint mask, AccessShape shape, ulong* hosts)
    {
        for (int lane = 1; lane < Lanes.Count && shape != AccessShape.Scattered; lane++)
            hosts[lane] = hosts[0] + (shape == AccessShape.Contiguous ? (ulong)(lane * AccessBytes) : 0);
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            byte* host = (byte*)hosts[lane];
            ulong old = AccessBytes switch
            {
                2 => *(ushort*)host,
                4 => *(uint*)host,
                _ => *(ulong*)host,
            };
            ulong result = operation(old, Lanes.Get(warp.Registers + B.Slot, lane, B.LaneBytes),
                Lanes.Get(warp.Registers + C.Slot, lane, C.LaneBytes));
            if (AccessBytes == 2)
                *(ushort*)host = (ushort)result;
            else if (AccessBytes == 4)
                *(uint*)host = (uint)result;
            else
                *(ulong*)host = result;
            if (Destination.Slot >= 0)
                Lanes.Set(warp.Registers + Destination.Slot, lane, Destination.LaneBytes, old);
        }
    }
}
