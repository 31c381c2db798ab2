namespace PtxEmulator.Numerics;

/// <summary>An approximate float32 function of the hardware that errs by up to its stated bound. Its result depends
/// only on the seed and the argument. PTX ISA, Floating-Point Instructions: ex2, lg2, rcp, rsqrt, sqrt, tanh.</summary>
/// <param name="name">The name of the instruction.</param>
/// <param name="exact">The exact function.</param>
/// <param name="isFlushed">Whether subnormal arguments and results become zeros.</param>
internal sealed class Approximation(string name, Func<double, double> exact, bool isFlushed)
{
    private const int Steps = 1 << 30;

    private readonly double _relativeBound = name switch
    {
        "rcp" or "sqrt" => Math.ScaleB(1, -23),
        "rsqrt" => Math.Pow(2, -22.9),
        "tanh" => Math.ScaleB(1, -11),
        _ => Math.ScaleB(1, -22),
    };

    // lg2 has an absolute bound between ½ and 2.
    private readonly double _absoluteBound = name == "lg2" ? Math.ScaleB(1, -22) : 0;

    /// <summary>The encoding of the result for the encoding of an argument.</summary>
    public uint Of(ulong seed, uint argument)
    {
        uint operand = isFlushed ? Flush(argument) : argument;
        uint result = BitConverter.SingleToUInt32Bits(
            Err(seed, operand, exact(BitConverter.UInt32BitsToSingle(operand))));
        return isFlushed ? Flush(result) : result;
    }

    private static uint Flush(uint bits) => (bits & 0x7f80_0000) == 0 ? bits & 0x8000_0000 : bits;

    private float Err(ulong seed, uint argument, double value)
    {
        float nearest = (float)value;
        // Zeros, infinities, NaN and 2⁰ are exact.
        if (!float.IsFinite(nearest) || value == 0 || (value == 1 && name == "ex2"))
            return float.IsNaN(nearest) ? BitConverter.UInt32BitsToSingle(0x7fff_ffff) : nearest;
        double bound = Math.Max(Math.Abs(value) * _relativeBound, _absoluteBound);
        double error = bound * ((2.0 * new SplitMix(seed + ((ulong)argument << 32)).Next(Steps) / Steps) - 1);
        // If the nearest float is too far from the exact value, the next one towards it may not be.
        float result = (float)(value + error);
        if (Math.Abs(result - value) > bound)
            result = result > value ? float.BitDecrement(result) : float.BitIncrement(result);
        return Math.Abs(result - value) <= bound ? result : nearest;
    }
}
