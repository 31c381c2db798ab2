using MsResampler.Safetensors;

namespace MsResampler.Tests.Model;

/// <summary>Tensors of models whose matrices are stored as integers.</summary>
internal static class IntegerModels
{
    /// <summary>The tensors of a random model in F32, of which one matrix is stored as integers.</summary>
    public static List<TensorToWrite> With(ResamplerConfig config, string matrix, TensorType type,
        Func<int, int> integerAt, Func<int, float> scaleAt)
    {
        List<TensorToWrite> tensors = BoundWeights.Tensors(config);
        IReadOnlyList<long> shape = tensors.Single(tensor => tensor.Name == matrix).Shape;
        return [.. BoundWeights.Replace(tensors, Integers(matrix, type, shape, integerAt)),
            Scales(matrix, (int)shape[0], scaleAt)];
    }

    public static TensorToWrite Integers(string name, TensorType type, IReadOnlyList<long> shape,
        Func<int, int> integerAt)
    {
        int count = (int)shape.Aggregate(1L, (left, right) => left * right);
        IEnumerable<int> integers = Enumerable.Range(0, count).Select(integerAt);
        return TensorToWrite.FromBytes(name, type, shape, type == TensorType.I8
            ? integers.Select(integer => (byte)integer).ToArray()
            : integers.SelectMany(integer => BitConverter.GetBytes((short)integer)).ToArray());
    }

    public static TensorToWrite Scales(string matrix, int rows, Func<int, float> scaleAt)
        => new(matrix + "_scale", TensorType.F32, [rows], Enumerable.Range(0, rows).Select(scaleAt).ToArray());

    /// <summary>The matrices of a model by the names of their layers.</summary>
    public static IEnumerable<(string Name, ModelLayers Layer, WeightTensor Weight)> Matrices(ResamplerWeights weights)
    {
        if (weights.KeyValueInput is { } input)
            yield return ("kv_proj", ModelLayers.KeyValueInput, input);
        foreach (ScopeWeights scope in weights.Scopes)
        {
            yield return ("q_proj", ModelLayers.None, scope.QueryProjection.Weight);
            yield return ("k_proj", ModelLayers.Keys, scope.KeyProjection.Weight);
            yield return ("v_proj", ModelLayers.Values, scope.ValueProjection.Weight);
            yield return ("out_proj", ModelLayers.Outputs, scope.OutputProjection.Weight);
        }

        if (weights.Gate is { } gate)
        {
            yield return ("gate.fc1", ModelLayers.Gate, gate.Hidden.Weight);
            yield return ("gate.fc2", ModelLayers.None, gate.Output.Weight);
        }

        yield return ("proj", ModelLayers.Projection, weights.Projection.Weight);
    }
}
