using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Execution;

/// <summary>The 64-bit product of 32-bit operands, with an optional addend; without a second factor, the extended
/// first operand.</summary>
internal sealed unsafe class WideInstruction(int destination, int a, int? b, int? addend, bool isSigned) : Instruction
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        byte* registers = warp.Registers;
        for (int chunk = 0; chunk < Lanes.ChunkCount<uint>(); chunk++)
        {
            (Vector512<ulong> lower, Vector512<ulong> upper) = Widen(Lanes.Load<uint>(registers + a, chunk));
            if (b is { } factor)
            {
                (Vector512<ulong> lowerFactor, Vector512<ulong> upperFactor)
                    = Widen(Lanes.Load<uint>(registers + factor, chunk));
                lower *= lowerFactor;
                upper *= upperFactor;
            }
            if (addend is { } sum)
            {
                lower += Lanes.Load<ulong>(registers + sum, 2 * chunk);
                upper += Lanes.Load<ulong>(registers + sum, (2 * chunk) + 1);
            }
            // The destination may alias only the addend, whose chunks are already read.
            Lanes.Store(registers + destination, 2 * chunk, lower, mask);
            Lanes.Store(registers + destination, (2 * chunk) + 1, upper, mask);
        }
    }

    private (Vector512<ulong> Lower, Vector512<ulong> Upper) Widen(Vector512<uint> value)
    {
        if (!isSigned)
            return Vector512.Widen(value);
        (Vector512<long> lower, Vector512<long> upper) = Vector512.Widen(value.AsInt32());
        return (lower.AsUInt64(), upper.AsUInt64());
    }
}

/// <summary>The low halves of 64-bit lanes.</summary>
internal sealed unsafe class NarrowInstruction(int destination, int a) : Instruction
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        byte* registers = warp.Registers;
        for (int chunk = 0; chunk < Lanes.ChunkCount<uint>(); chunk++)
        {
            Lanes.Store(registers + destination, chunk, Vector512.Narrow(Lanes.Load<ulong>(registers + a, 2 * chunk),
                Lanes.Load<ulong>(registers + a, (2 * chunk) + 1)), mask);
        }
    }
}
