using System.Numerics;
using System.Runtime.CompilerServices;
using PtxEmulator.Numerics;

namespace PtxEmulator.Execution;

/// <summary>The result for the operands of one thread; narrow operands are zero-extended.</summary>
internal delegate ulong LaneOperation(ulong a, ulong b, ulong c);

/// <summary>An operand or result of an instruction that processes one thread at a time.</summary>
internal readonly record struct LaneSlot(int Slot, int LaneBytes);

/// <summary>An instruction that processes one thread at a time, for operations that do not justify a vector
/// version.</summary>
internal sealed unsafe class ScalarInstruction(LaneOperation operation, LaneSlot destination, LaneSlot a, LaneSlot b,
    LaneSlot c) : Instruction
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        byte* registers = warp.Registers;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong result = operation(Lanes.Get(registers + a.Slot, lane, a.LaneBytes),
                Lanes.Get(registers + b.Slot, lane, b.LaneBytes), Lanes.Get(registers + c.Slot, lane, c.LaneBytes));
            Lanes.Set(registers + destination.Slot, lane, destination.LaneBytes, result);
        }
    }
}

/// <summary><c>bfi</c>, which has four operands.</summary>
internal sealed unsafe class BitInsertInstruction(int bits, LaneSlot destination, LaneSlot inserted, LaneSlot value,
    LaneSlot position, LaneSlot length) : Instruction
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        byte* registers = warp.Registers;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            Lanes.Set(registers + destination.Slot, lane, destination.LaneBytes, Bits.Insert(
                Lanes.Get(registers + inserted.Slot, lane, inserted.LaneBytes),
                Lanes.Get(registers + value.Slot, lane, value.LaneBytes),
                Lanes.Get(registers + position.Slot, lane, position.LaneBytes),
                Lanes.Get(registers + length.Slot, lane, length.LaneBytes), bits));
        }
    }
}
