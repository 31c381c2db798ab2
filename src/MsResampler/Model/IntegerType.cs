using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>The integers of a matrix of weights. A row (an output channel) has one scale; a weight is its integer times
/// the scale, and the largest absolute value of the row is <see cref="IntegerTypes.MaxLevel"/>.</summary>
internal enum IntegerType
{
    /// <summary>8 bits, from −127 to 127.</summary>
    Int8,

    /// <summary>16 bits, of which a product uses as many as its int32 sums allow.</summary>
    Int16,
}

/// <summary>Members of <see cref="IntegerType"/>.</summary>
internal static class IntegerTypes
{
    /// <summary>The longest product: 255·127·K stays within int32, and 16-bit operands keep 8 bits.</summary>
    public const int MaxInnerCount = 1 << 16;

    /// <summary>What the name of the stored scales of a matrix adds to its name.</summary>
    public const string ScaleSuffix = "_scale";

    /// <summary>The largest absolute value of a weight, and of an activation with 16 bits, in a product of
    /// <paramref name="innerCount"/> terms: level² · terms is below 2³¹, so that no sum leaves int32.</summary>
    public static int MaxLevel(this IntegerType type, int innerCount) => type == IntegerType.Int8 ? 127
        : Math.Min(short.MaxValue, (int)Math.Sqrt(int.MaxValue / innerCount));

    /// <summary>Whether a name is that of the scales of a matrix.</summary>
    public static bool IsScaleName(string name) => name.EndsWith(".weight" + ScaleSuffix, StringComparison.Ordinal);

    /// <summary>The integers as which <see cref="Precision.Int8"/> multiplies by a matrix; null for floats.</summary>
    /// <param name="int8Layers">The layers with 8 bits.</param>
    /// <param name="layer">The layer of the matrix.</param>
    /// <param name="matrix">The matrix.</param>
    public static IntegerType? Of(ModelLayers int8Layers, ModelLayers layer, WeightTensor matrix)
        => layer == ModelLayers.None || matrix.Columns > MaxInnerCount ? null
            : int8Layers.HasFlag(layer) ? IntegerType.Int8 : IntegerType.Int16;

    /// <summary>The layers with 8 bits unless a caller or a checkpoint names others.</summary>
    public const ModelLayers DefaultInt8Layers = ModelLayers.Keys | ModelLayers.Gate;

    /// <summary>Whether a checkpoint stores matrices as integers.</summary>
    public static bool AreIntegers(ResamplerWeights weights)
        => weights.Matrices().Any(matrix => matrix.Matrix.StoredIntegers is not null);

    /// <summary>The layers with 8 bits of a model.</summary>
    /// <param name="chosen">The caller's layers. If null, the layers that the checkpoint stores with 8 bits; attention,
    /// which it does not store, has 8 bits if no stored layer has 16. Without stored integers
    /// <see cref="DefaultInt8Layers"/>.</param>
    /// <param name="weights">The weights of the model.</param>
    public static ModelLayers Int8LayersOf(ModelLayers? chosen, ResamplerWeights weights)
    {
        if (chosen is not null || !AreIntegers(weights))
            return chosen ?? DefaultInt8Layers;
        ModelLayers int8 = ModelLayers.None, int16 = ModelLayers.None;
        foreach ((ModelLayers layer, WeightTensor matrix) in weights.Matrices())
        {
            if (matrix.StoredIntegers == IntegerType.Int8)
                int8 |= layer;
            else if (matrix.StoredIntegers == IntegerType.Int16)
                int16 |= layer;
        }

        return int16 == ModelLayers.None ? ModelLayers.All : int8 & ~int16;
    }

    /// <summary>The integers with which <see cref="Precision.Int8"/> computes the products of attention.</summary>
    /// <param name="int8Layers">The layers with 8 bits.</param>
    public static IntegerType OfAttention(ModelLayers int8Layers)
        => int8Layers.HasFlag(ModelLayers.Attention) ? IntegerType.Int8 : IntegerType.Int16;

    /// <summary>The element type of a stored matrix.</summary>
    public static TensorType TensorTypeOf(this IntegerType type)
        => type == IntegerType.Int8 ? TensorType.I8 : TensorType.I16;

    /// <summary>The integers of a stored element type; null if it has none.</summary>
    public static IntegerType? StoredAs(TensorType type) => type switch
    {
        TensorType.I8 => IntegerType.Int8,
        TensorType.I16 => IntegerType.Int16,
        _ => null,
    };
}
