using System.Numerics;
using PtxEmulator.Numerics;

namespace PtxEmulator.Execution;

/// <summary>A float32 function that is correctly rounded, or in the mode for approximations errs by up to its
/// bound.</summary>
internal sealed unsafe class ApproximateInstruction(Instruction nearest, Approximation approximation, int destination,
    int argument) : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        if (warp.Block.Launch.Options.ApproximationSeed is not { } seed)
        {
            nearest.Execute(warp, mask);
            return;
        }
        uint* arguments = (uint*)(warp.Registers + argument);
        uint* results = (uint*)(warp.Registers + destination);
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            results[lane] = approximation.Of(seed, arguments[lane]);
        }
    }
}
