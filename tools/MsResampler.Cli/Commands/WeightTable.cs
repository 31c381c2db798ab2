using MsResampler.Safetensors;

namespace MsResampler.Cli.Commands;

/// <summary>The bytes of a model's tensors by type, and those that its integers take.</summary>
internal static class WeightTable
{
    /// <summary>Writes one row per element type and one for the integers of <c>convert --dtype int8</c>.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tensors">The tensors of the model.</param>
    /// <param name="layers">The layers with 8 bits; the others have 16.</param>
    /// <param name="terminal">Receives the table.</param>
    public static void Write(ResamplerModel model, IReadOnlyList<TensorInfo> tensors, ModelLayers layers,
        Terminal terminal)
    {
        terminal.Line();
        Smoothing smoothing = new(model.Weights);
        long integerBytes = tensors.Sum(tensor => tensor.ByteCount);
        foreach ((ModelLayers layer, WeightTensor matrix) in model.Weights.Matrices())
            if (smoothing.StorableAs(layers, layer, matrix) is { } type)
                integerBytes += BytesOf(matrix, type) - StoredBytesOf(matrix);
        terminal.Table(["type", ">tensors", ">bytes"],
        [
            .. tensors.GroupBy(tensor => tensor.Type).OrderByDescending(group => group.Sum(tensor => tensor.ByteCount))
                .Select(group => (IReadOnlyList<string>)
                [
                    group.Key.ToString(), Quantity.Count(group.Count()),
                    Quantity.Count(group.Sum(tensor => tensor.ByteCount)),
                ]),
            [$"in int8, 8 bits in {LayerNames.Of(layers)}", "", Quantity.Count(integerBytes)],
        ]);
    }

    private static long StoredBytesOf(WeightTensor matrix) => matrix.StoredIntegers is { } type
        ? BytesOf(matrix, type) : (long)matrix.Count * (TensorTypes.BitsOf(matrix.Type) / 8);

    private static long BytesOf(WeightTensor matrix, IntegerType type)
        => ((long)matrix.Count * (TensorTypes.BitsOf(type.TensorTypeOf()) / 8)) + ((long)matrix.Rows * sizeof(float));
}
