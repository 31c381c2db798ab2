using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Inputs;

/// <summary>Which outputs a request asks for, and in which form.</summary>
internal static class OutputResolution
{
    private const string Precision = "precision";
    private const string BinaryData = "binary_data";
    private const string BinaryDataOutput = "binary_data_output";

    /// <summary>The outputs in the order of the answer.</summary>
    /// <param name="shape">The sizes of the model.</param>
    /// <param name="parameters">The parameters of the request.</param>
    /// <param name="outputs">The outputs that the request names; empty for the tokens alone.</param>
    /// <exception cref="ServerException">The model has no such output, an output appears twice, or a parameter is
    /// wrong.</exception>
    public static RequestedOutput[] Resolve(ModelShape shape, Parameters parameters,
        IReadOnlyList<OutputRequest> outputs)
    {
        bool isBinary = parameters.FindBool(BinaryDataOutput) ?? false;
        IReadOnlyList<TensorSpec> specs = TensorSpecs.OutputsOf(shape);
        Datatype ofRequest = TypeOf(specs[0], parameters) ?? Datatype.Fp32;
        if (outputs.Count == 0)
            return [new RequestedOutput(TensorNames.Tokens, ofRequest, isBinary)];
        List<RequestedOutput> resolved = [];
        foreach (OutputRequest output in outputs)
        {
            TensorSpec spec = specs.FirstOrDefault(spec => spec.Name == output.Name) ?? throw Invalid(output.Name,
                $"expected one of {Quoted.List(specs.Select(spec => spec.Name))}, the outputs of the model");
            if (resolved.Any(other => other.Name == spec.Name))
                throw Invalid(spec.Name, "appears twice");
            Datatype type = TypeOf(spec, output.Parameters)
                ?? (spec.Datatypes.Contains(ofRequest) ? ofRequest : spec.Datatypes[0]);
            resolved.Add(new(spec.Name, type, output.Parameters.FindBool(BinaryData) ?? isBinary));
        }

        return [.. resolved];
    }

    private static Datatype? TypeOf(TensorSpec spec, Parameters parameters)
    {
        if (parameters.FindString(Precision) is not { } name)
            return null;
        return Datatypes.Find(name) is { } type && spec.Datatypes.Contains(type) ? type
            : throw Invalid(spec.Name, $"parameter '{Precision}': expected "
                + $"{Quoted.List(spec.Datatypes.Select(Datatypes.NameOf))}, found {Quoted.Of(name)}");
    }

    private static ServerException Invalid(string name, string message)
        => new(ErrorKind.InvalidRequest, $"output {Quoted.Of(name)}: {message}");
}
