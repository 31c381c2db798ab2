using System.Numerics;

namespace PtxEmulator.Execution;

/// <summary>Packs narrow registers into a wide one; the first goes into the low bits.</summary>
internal sealed unsafe class PackInstruction(LaneSlot destination, LaneSlot[] sources, int sourceBits) : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        ulong sourceMask = (1ul << sourceBits) - 1;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong value = 0;
            for (int source = sources.Length - 1; source >= 0; source--)
            {
                value = (value << sourceBits)
                    | (Lanes.Get(warp.Registers + sources[source].Slot, lane, sources[source].LaneBytes) & sourceMask);
            }
            Lanes.Set(warp.Registers + destination.Slot, lane, destination.LaneBytes, value);
        }
    }
}

/// <summary>Unpacks a wide register into narrow ones; a part with a negative slot is discarded.</summary>
internal sealed unsafe class UnpackInstruction(LaneSlot[] destinations, int destinationBits, LaneSlot source)
    : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        ulong destinationMask = (1ul << destinationBits) - 1;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong value = Lanes.Get(warp.Registers + source.Slot, lane, source.LaneBytes);
            foreach (LaneSlot destination in destinations)
            {
                if (destination.Slot >= 0)
                {
                    Lanes.Set(warp.Registers + destination.Slot, lane, destination.LaneBytes,
                        value & destinationMask);
                }
                value >>= destinationBits;
            }
        }
    }
}

/// <summary>Logic on the predicates of all threads at once.</summary>
internal sealed unsafe class PredicateInstruction(Func<uint, uint, uint> operation, int destination, int a, uint aFlip,
    int b, uint bFlip) : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        uint result = operation(*(uint*)(warp.Registers + a) ^ aFlip, *(uint*)(warp.Registers + b) ^ bFlip);
        uint* target = (uint*)(warp.Registers + destination);
        *target = (*target & ~mask) | (result & mask);
    }
}

/// <summary>Reads the clock of the warp, which counts its instructions.</summary>
internal sealed unsafe class ClockInstruction(LaneSlot destination) : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            Lanes.Set(warp.Registers + destination.Slot, BitOperations.TrailingZeroCount(rest), destination.LaneBytes,
                (ulong)warp.Executed);
        }
    }
}

/// <summary>The result and the carry of one thread's extended-precision addition or subtraction.</summary>
internal delegate (ulong Result, bool Carry) CarryOperation(ulong a, ulong b, ulong c, bool carry);

/// <summary>An instruction that reads or writes the carry.</summary>
internal sealed unsafe class CarryInstruction(CarryOperation operation, bool isCarryWritten, LaneSlot destination,
    LaneSlot a, LaneSlot b, LaneSlot c) : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        byte* registers = warp.Registers;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            (ulong result, bool carry) = operation(Lanes.Get(registers + a.Slot, lane, a.LaneBytes),
                Lanes.Get(registers + b.Slot, lane, b.LaneBytes), Lanes.Get(registers + c.Slot, lane, c.LaneBytes),
                (warp.Carries >> lane & 1) != 0);
            Lanes.Set(registers + destination.Slot, lane, destination.LaneBytes, result);
            if (isCarryWritten)
                warp.Carries = (warp.Carries & ~(1u << lane)) | (carry ? 1u << lane : 0);
        }
    }
}
