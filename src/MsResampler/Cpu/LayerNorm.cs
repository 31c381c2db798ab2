using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu;

/// <summary>Layer normalisation of one row: <c>(x − mean)/√(variance + ε)·weight + bias</c>, the variance in a second
/// pass over the differences.</summary>
internal sealed unsafe class LayerNorm<TSimd, TVector>(ReadOnlySpan<float> weight, ReadOnlySpan<float> bias,
    double epsilon)
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private readonly AlignedBuffer _weight = AlignedBuffer.Copy(weight);
    private readonly AlignedBuffer _bias = AlignedBuffer.Copy(bias);

    /// <summary>Normalises <paramref name="source"/> into <paramref name="destination"/>, which may be the same.
    /// </summary>
    public void Apply(float* source, float* destination)
    {
        int count = _weight.Count;
        int vectorEnd = count - (count % TSimd.Width);
        TVector sum = TSimd.Zero;
        float rest = 0;
        for (int i = 0; i < vectorEnd; i += TSimd.Width)
            sum = TSimd.Add(sum, TSimd.Load(source + i));
        for (int i = vectorEnd; i < count; i++)
            rest += source[i];
        float mean = (TSimd.Sum(sum) + rest) / count;

        TVector center = TSimd.Create(mean);
        TVector squares = TSimd.Zero;
        rest = 0;
        for (int i = 0; i < vectorEnd; i += TSimd.Width)
        {
            TVector difference = TSimd.Subtract(TSimd.Load(source + i), center);
            squares = TSimd.MultiplyAdd(difference, difference, squares);
        }

        for (int i = vectorEnd; i < count; i++)
            rest += (source[i] - mean) * (source[i] - mean);
        float scale = (float)(1 / Math.Sqrt(((TSimd.Sum(squares) + rest) / (double)count) + epsilon));

        TVector factor = TSimd.Create(scale);
        for (int i = 0; i < vectorEnd; i += TSimd.Width)
        {
            TVector normal = TSimd.Multiply(TSimd.Subtract(TSimd.Load(source + i), center), factor);
            TSimd.Store(destination + i,
                TSimd.MultiplyAdd(normal, TSimd.Load(_weight.Pointer + i), TSimd.Load(_bias.Pointer + i)));
        }

        for (int i = vectorEnd; i < count; i++)
            destination[i] = ((source[i] - mean) * scale * _weight.Pointer[i]) + _bias.Pointer[i];
    }
}
