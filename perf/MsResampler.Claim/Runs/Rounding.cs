using MsResampler.Training;

namespace MsResampler.Claim.Runs;

/// <summary>Weights rounded to 16 bits for a while.</summary>
internal sealed class Rounding : IDisposable
{
    private readonly (TrainableTensor Tensor, float[] Values)[] _kept;

    public Rounding(IEnumerable<TrainableTensor> tensors, Func<float, float> round)
    {
        _kept = [.. tensors.Select(tensor => (tensor, tensor.Values.ToArray()))];
        foreach ((TrainableTensor tensor, _) in _kept)
        {
            Span<float> values = tensor.Values;
            for (int index = 0; index < values.Length; index++)
                values[index] = round(values[index]);
        }
    }

    public static float ToFloat16(float value) => (float)(Half)value;

    /// <summary>The nearest bfloat16, ties to even; values are finite.</summary>
    public static float ToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
    }

    public void Dispose()
    {
        foreach ((TrainableTensor tensor, float[] values) in _kept)
            values.CopyTo(tensor.Values);
    }
}
