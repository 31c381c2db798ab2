using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Execution;

/// <summary>The destination of a comparison.</summary>
/// <param name="First">The predicate that receives the result; negative if there is none.</param>
/// <param name="Second">The predicate that receives the negated result; negative if there is none.</param>
/// <param name="Combined">The predicate that is combined with the result; an always-true predicate if there is
/// none.</param>
/// <param name="CombinedFlip">All ones if that predicate is negated.</param>
/// <param name="Combination">The combining operation.</param>
internal readonly record struct CompareTarget(int First, int Second, int Combined, uint CombinedFlip,
    PredicateCombination Combination)
{
    public unsafe void Write(Warp warp, uint mask, uint result)
    {
        byte* registers = warp.Registers;
        uint other = *(uint*)(registers + Combined) ^ CombinedFlip;
        if (First >= 0)
            Set((uint*)(registers + First), mask, Combine(result, other));
        if (Second >= 0)
            Set((uint*)(registers + Second), mask, Combine(~result, other));
    }

    private static unsafe void Set(uint* predicate, uint mask, uint value)
        => *predicate = (*predicate & ~mask) | (value & mask);

    private uint Combine(uint result, uint other) => Combination switch
    {
        PredicateCombination.Or => result | other,
        PredicateCombination.Xor => result ^ other,
        _ => result & other,
    };
}

internal enum PredicateCombination
{
    And,
    Or,
    Xor,
}

/// <summary><c>setp</c> on whole chunks.</summary>
internal sealed unsafe class CompareInstruction<TOperation, T>(CompareTarget target, int a, int b, uint flip)
    : Instruction
    where TOperation : IBinaryOperation<T>
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        byte* registers = warp.Registers;
        uint result = 0;
        for (int chunk = 0; chunk < Lanes.ChunkCount<T>(); chunk++)
        {
            Vector512<T> comparison
                = TOperation.Run(Lanes.Load<T>(registers + a, chunk), Lanes.Load<T>(registers + b, chunk));
            result |= (uint)comparison.ExtractMostSignificantBits() << (chunk * Vector512<T>.Count);
        }
        target.Write(warp, mask, result ^ flip);
    }
}

/// <summary>A comparison or test that processes one thread at a time; any non-zero result is true.</summary>
internal sealed unsafe class ScalarCompareInstruction(LaneOperation operation, CompareTarget target, LaneSlot a,
    LaneSlot b) : Instruction
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        byte* registers = warp.Registers;
        uint result = 0;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            if (operation(Lanes.Get(registers + a.Slot, lane, a.LaneBytes),
                Lanes.Get(registers + b.Slot, lane, b.LaneBytes), 0) != 0)
            {
                result |= 1u << lane;
            }
        }
        target.Write(warp, mask, result);
    }
}

/// <summary>A comparison of both halves of packed operands, with one predicate for each half.</summary>
internal sealed unsafe class ScalarPairCompareInstruction(LaneOperation operation, CompareTarget low,
    CompareTarget high, LaneSlot a, LaneSlot b) : Instruction
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        byte* registers = warp.Registers;
        uint lowResult = 0;
        uint highResult = 0;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong x = Lanes.Get(registers + a.Slot, lane, a.LaneBytes);
            ulong y = Lanes.Get(registers + b.Slot, lane, b.LaneBytes);
            lowResult |= operation(x & 0xffff, y & 0xffff, 0) != 0 ? 1u << lane : 0;
            highResult |= operation(x >> 16, y >> 16, 0) != 0 ? 1u << lane : 0;
        }
        low.Write(warp, mask, lowResult);
        high.Write(warp, mask, highResult);
    }
}
