using MsResampler.Kernels.Ptx;
using MsResampler.Safetensors;

namespace MsResampler.Kernels.Tests.Parity;

/// <summary>Models and features rounded to what a precision multiplies, so that the reference has the same and what is
/// left is the rounding of activations.</summary>
internal static class Rounding
{
    /// <summary>Relative L2 errors of tokens allowed on a GPU. In float32, what holds on the processor, and each of
    /// the approximated exponentials, reciprocals and roots adds up to 2⁻²², four roundings more. Below, with u the
    /// unit roundoff: 3 u in float16 (2⁻¹¹), 2.5 u in bfloat16 (2⁻⁸), 2 u in tf32 (2⁻¹¹, and only where a product
    /// begins). A rounded tensor's relative error in the L2 norm is about 0.4 u. About eight are rounded in a row (Z,
    /// keys or values, softmax, weighted sums, branches, fused tokens, queries, folded weights), whose independent
    /// errors add in squares to 0.4·√8 ≈ 1.2 u; what lies between amplifies it by 2.5 at most.</summary>
    public static double ToleranceOf(Precision precision) => precision switch
    {
        Precision.TensorFloat32 => 1e-3,
        Precision.Float16 => 1.5e-3,
        Precision.BFloat16 => 1e-2,
        _ => 5e-6,
    };

    /// <summary>A random model whose weights the precision has exactly.</summary>
    public static TestModel Model(ResamplerConfig config, RandomModelOptions options, Precision precision, ulong seed,
        Func<RandomTensor, RandomTensor>? edit = null)
        => new(config, precision == Precision.Float32 ? options : options with { Type = TypeOf(precision) }, seed,
            precision == Precision.TensorFloat32
                ? tensor => ToTensor32(edit?.Invoke(tensor) ?? tensor) : edit);

    /// <summary>Random features that the precision has exactly.</summary>
    public static float[] Features(TestModel model, Precision precision, PatchGrid grid, int seed)
    {
        float[] features = model.RandomFeatures(grid, seed);
        switch (precision)
        {
            case Precision.Float32:
                return features;
            case Precision.TensorFloat32:
                return [.. features.Select(ToTensor32)];
            default:
                byte[] rounded = new byte[features.Length * sizeof(ushort)];
                ElementConversion.FromSingle(TypeOf(precision), features, rounded);
                ElementConversion.ToSingle(TypeOf(precision), rounded, features);
                return features;
        }
    }

    private static TensorType TypeOf(Precision precision) => precision switch
    {
        Precision.Float16 => TensorType.F16,
        Precision.BFloat16 => TensorType.BF16,
        _ => TensorType.F32,
    };

    private static RandomTensor ToTensor32(RandomTensor tensor)
        => tensor with { ValueAt = index => ToTensor32(tensor.ValueAt(index)) };

    private static float ToTensor32(float value) => BitConverter.UInt32BitsToSingle(Pack.TF32(value));
}
