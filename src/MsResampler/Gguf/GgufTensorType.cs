using MsResampler.Safetensors;

namespace MsResampler.Gguf;

/// <summary>A type of tensors in GGUF files: elements are stored in blocks.</summary>
/// <param name="Name">The name in ggml.</param>
/// <param name="BlockElementCount">The number of elements of a block.</param>
/// <param name="BlockBytes">The size of a block.</param>
/// <param name="Converted">The type as which the tensor is read; null if it cannot be converted to float.</param>
internal sealed record GgufTensorType(string Name, int BlockElementCount, int BlockBytes, TensorType? Converted = null)
{
    /// <summary>Blocks of 32 signed bytes with a common float16 factor. The product of 11 and 8 bits is exact in
    /// float32.</summary>
    public static readonly GgufTensorType Q8 = new("Q8_0", 32, 34, TensorType.F32);

    /// <summary>The types by number.</summary>
    private static readonly Dictionary<uint, GgufTensorType> s_all = new()
    {
        [0] = new("F32", 1, 4, TensorType.F32),
        [1] = new("F16", 1, 2, TensorType.F16),
        [2] = new("Q4_0", 32, 18),
        [3] = new("Q4_1", 32, 20),
        [6] = new("Q5_0", 32, 22),
        [7] = new("Q5_1", 32, 24),
        [8] = Q8,
        [9] = new("Q8_1", 32, 36),
        [10] = new("Q2_K", 256, 84),
        [11] = new("Q3_K", 256, 110),
        [12] = new("Q4_K", 256, 144),
        [13] = new("Q5_K", 256, 176),
        [14] = new("Q6_K", 256, 210),
        [15] = new("Q8_K", 256, 292),
        [16] = new("IQ2_XXS", 256, 66),
        [17] = new("IQ2_XS", 256, 74),
        [18] = new("IQ3_XXS", 256, 98),
        [19] = new("IQ1_S", 256, 50),
        [20] = new("IQ4_NL", 32, 18),
        [21] = new("IQ3_S", 256, 110),
        [22] = new("IQ2_S", 256, 82),
        [23] = new("IQ4_XS", 256, 136),
        [24] = new("I8", 1, 1),
        [25] = new("I16", 1, 2),
        [26] = new("I32", 1, 4),
        [27] = new("I64", 1, 8),
        [28] = new("F64", 1, 8, TensorType.F64),
        [29] = new("IQ1_M", 256, 56),
        [30] = new("BF16", 1, 2, TensorType.BF16),
        [34] = new("TQ1_0", 256, 54),
        [35] = new("TQ2_0", 256, 66),
        [39] = new("MXFP4", 32, 17),
    };

    /// <summary>The type of a number, or null if the format does not define it.</summary>
    public static GgufTensorType? Find(uint number) => s_all.GetValueOrDefault(number);
}
