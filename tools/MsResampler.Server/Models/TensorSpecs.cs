using MsResampler.Server.Protocol;

namespace MsResampler.Server.Models;

/// <summary>The inputs and outputs of a model: what its metadata lists and what requests are checked against.</summary>
internal static class TensorSpecs
{
    private static readonly Datatype[] s_floats = [Datatype.Fp32, Datatype.Fp16, Datatype.Bf16];
    private static readonly Datatype[] s_integers = [Datatype.Int32];
    private static readonly Datatype[] s_strings = [Datatype.Bytes];

    /// <summary>The inputs of a model.</summary>
    public static IReadOnlyList<TensorSpec> InputsOf(ModelShape shape)
    {
        List<TensorSpec> inputs =
        [
            new(TensorNames.Features, s_floats, [-1, shape.FeatureWidth]),
            new(TensorNames.Grids, s_integers, [-1, 2]),
            new(TensorNames.Groups, s_integers, [-1]),
            new(TensorNames.TemporalIds, s_integers, [-1]),
        ];
        if (shape.HasEncoder)
            inputs.Add(new(TensorNames.Image, s_strings, [-1]));
        return inputs;
    }

    /// <summary>The outputs of a model.</summary>
    public static IReadOnlyList<TensorSpec> OutputsOf(ModelShape shape) =>
    [
        new(TensorNames.Tokens, s_floats, [-1, shape.TokenCount, shape.TokenWidth]),
        new(TensorNames.Gate, [Datatype.Fp32], [-1, shape.TokenCount, shape.ScopeCount, shape.GateGroupCount]),
    ];
}
