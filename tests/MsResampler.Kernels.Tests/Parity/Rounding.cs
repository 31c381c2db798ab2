using MsResampler.Kernels.Ptx;
using MsResampler.Safetensors;

namespace MsResampler.Kernels.Tests.Parity;

/// <summary>Rounds models and features to the precision of the products, so that the reference has the same inputs
/// and only the rounding of activations remains.</summary>
internal static class Rounding
{
    /// <summary>The allowed relative L2 error of tokens on a GPU. In float32 it is the error on the CPU plus that of
    /// the approximated exponentials, reciprocals and roots, which is up to 2⁻²², or four roundings, each. For the
    /// other precisions, with unit roundoff u: 3 u in float16 (2⁻¹¹), 2.5 u in bfloat16 (2⁻⁸), 2 u in tf32 (2⁻¹¹,
    /// applied to the inputs of products only). The relative L2 error of a rounded tensor is about 0.4 u. About eight
    /// tensors are rounded in sequence (Z, keys or values, softmax, weighted sums, branches, fused tokens, queries,
    /// folded weights). Their independent errors add in squares to 0.4·√8 ≈ 1.2 u, and the operations in between
    /// amplify it by at most 2.5. Tensor cores that truncate lose up to 2⁻²³ of a sum for every 4 or 8 products, at
    /// most 4·10⁻⁵ for 1152 products, which is little beside u.</summary>
    public static double ToleranceOf(Precision precision) => precision switch
    {
        Precision.TensorFloat32 => 1e-3,
        Precision.Float16 => 1.5e-3,
        Precision.BFloat16 => 1e-2,
        _ => 5e-6,
    };

    /// <summary>A random model with weights that are exact in the precision.</summary>
    public static TestModel Model(ResamplerConfig config, RandomModelOptions options, Precision precision, ulong seed,
        Func<RandomTensor, RandomTensor>? edit = null)
        => new(config, precision == Precision.Float32 ? options : options with { Type = TypeOf(precision) }, seed,
            precision == Precision.TensorFloat32
                ? tensor => ToTensor32(edit?.Invoke(tensor) ?? tensor) : edit);

    /// <summary>Random features that are exact in the precision.</summary>
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
