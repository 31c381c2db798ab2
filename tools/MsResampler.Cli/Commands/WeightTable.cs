using MsResampler.Safetensors;

namespace MsResampler.Cli.Commands;

/// <summary>The bytes of a model's tensors by type, those that its integers take, and those of its matrices in the
/// memory of the CPU backend.</summary>
internal static class WeightTable
{
    /// <summary>Writes one row per element type, one for the files of <c>convert --dtype int8</c>, and one for each way
    /// to keep matrices in memory.</summary>
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
        long integerMemory = model.Weights.Matrices().Sum(matrix => IntegerTypes.Of(layers, matrix.Layer, matrix.Matrix)
            is { } type ? BytesOf(matrix.Matrix, type) : 0);
        terminal.Table(["type", ">tensors", ">bytes"],
        [
            .. tensors.GroupBy(tensor => tensor.Type).OrderByDescending(group => group.Sum(tensor => tensor.ByteCount))
                .Select(group => (IReadOnlyList<string>)
                [
                    group.Key.ToString(), Quantity.Count(group.Count()),
                    Quantity.Count(group.Sum(tensor => tensor.ByteCount)),
                ]),
            [$"converted to int8, 8 bits in {LayerNames.Of(layers)}", "", Quantity.Count(integerBytes)],
            .. Enum.GetValues<WeightStorage>().Select(storage => (IReadOnlyList<string>)
            [
                $"matrices in memory, {Options.NameOf(storage)}", "",
                Quantity.Count(MemoryBytes(model.Weights, storage)),
            ]),
            ["matrices in memory, int8", "", Quantity.Count(integerMemory)],
        ]);
    }

    /// <summary>Memory of the matrices of a call. The products with <c>q_proj</c> are usually computed once, and
    /// <c>gate.fc2</c> is small.</summary>
    private static long MemoryBytes(ResamplerWeights weights, WeightStorage storage)
        => weights.Matrices().Where(matrix => matrix.Layer != ModelLayers.None).Sum(matrix => matrix.Matrix.Count
            * (matrix.Matrix.TypeIn(storage) == WeightType.Float32 ? (long)sizeof(float) : sizeof(ushort)));

    private static long StoredBytesOf(WeightTensor matrix) => matrix.StoredIntegers is { } type
        ? BytesOf(matrix, type) : (long)matrix.Count * (TensorTypes.BitsOf(matrix.Type) / 8);

    private static long BytesOf(WeightTensor matrix, IntegerType type)
        => ((long)matrix.Count * (TensorTypes.BitsOf(type.TensorTypeOf()) / 8)) + ((long)matrix.Rows * sizeof(float));
}
