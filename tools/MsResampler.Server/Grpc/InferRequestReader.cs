using System.Collections;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Google.Protobuf.Reflection;
using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Inputs;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Grpc;

/// <summary>Reads tensors and parameters from the messages of the protocol.</summary>
internal static class InferRequestReader
{
    private static readonly IReadOnlyList<FieldDescriptor> s_contents
        = [.. InferTensorContents.Descriptor.Fields.InDeclarationOrder()];

    /// <summary>Declares the inputs of a request and takes their values. Raw values of the right format are used in
    /// place.</summary>
    /// <exception cref="ServerException">Raw and typed values are mixed, values are in the field of another type, or a
    /// tensor is wrong.</exception>
    public static void Read(ModelInferRequest request, RequestInputs inputs)
    {
        RepeatedField<ByteString> raw = request.RawInputContents;
        if (raw.Count > 0 && raw.Count != request.Inputs.Count)
        {
            throw Invalid($"expected raw_input_contents with one entry for each of the {request.Inputs.Count} inputs, "
                + $"found {raw.Count}; all inputs have raw contents, or none");
        }

        for (int index = 0; index < request.Inputs.Count; index++)
        {
            ModelInferRequest.Types.InferInputTensor input = request.Inputs[index];
            InputTensor tensor = inputs.Declare(input.Name, input.Datatype,
                UnsafeCollectionOperations.AsSpan(input.Shape));
            if (raw.Count == 0)
                ReadTyped(input, tensor);
            else if (input.Contents is not null && s_contents.Any(field => CountOf(field, input.Contents) > 0))
                throw Invalid($"input '{input.Name}': found contents although the request has raw_input_contents; "
                    + "send one of them");
            else
                tensor.UseRaw(raw[index].Memory);
            tensor.Complete();
        }
    }

    /// <summary>Reads parameters.</summary>
    /// <exception cref="ServerException">There are too many.</exception>
    public static Parameters Read(MapField<string, InferParameter> parameters)
    {
        if (parameters.Count == 0)
            return Parameters.None;
        Parameters values = new();
        foreach ((string name, InferParameter parameter) in parameters)
        {
            values.Add(name, parameter.ParameterChoiceCase switch
            {
                InferParameter.ParameterChoiceOneofCase.BoolParam => parameter.BoolParam,
                InferParameter.ParameterChoiceOneofCase.Int64Param => parameter.Int64Param,
                InferParameter.ParameterChoiceOneofCase.StringParam => parameter.StringParam,
                InferParameter.ParameterChoiceOneofCase.DoubleParam => parameter.DoubleParam,
                // A number beyond the range of long is beyond every limit, too.
                InferParameter.ParameterChoiceOneofCase.Uint64Param => (long)Math.Min(parameter.Uint64Param,
                    long.MaxValue),
                // No value, or one that a later version of the protocol has.
                _ => parameter,
            });
        }

        return values;
    }

    /// <summary>Reads the outputs that a request names.</summary>
    /// <exception cref="ServerException">An output has too many parameters.</exception>
    public static IReadOnlyList<OutputRequest> ReadOutputs(ModelInferRequest request) =>
        [.. request.Outputs.Select(output => new OutputRequest(output.Name, Read(output.Parameters)))];

    private static void ReadTyped(ModelInferRequest.Types.InferInputTensor input, InputTensor tensor)
    {
        string expected = tensor.Datatype switch
        {
            Datatype.Fp32 => "fp32_contents",
            Datatype.Int32 => "int_contents",
            Datatype.Bytes => "bytes_contents",
            _ => throw Invalid($"input '{input.Name}': {input.Datatype} has no typed contents; send the values in "
                + "raw_input_contents"),
        };
        InferTensorContents contents = input.Contents ?? new InferTensorContents();
        foreach (FieldDescriptor field in s_contents)
        {
            if (field.Name != expected && CountOf(field, contents) > 0)
            {
                throw Invalid($"input '{input.Name}': expected the values of {input.Datatype} in {expected}, found "
                    + $"{CountOf(field, contents)} in {field.Name}");
            }
        }

        switch (tensor.Datatype)
        {
            case Datatype.Fp32:
                tensor.Append(UnsafeCollectionOperations.AsSpan(contents.Fp32Contents));
                break;
            case Datatype.Int32:
                tensor.Append(UnsafeCollectionOperations.AsSpan(contents.IntContents));
                break;
            default:
                foreach (ByteString element in contents.BytesContents)
                    tensor.AppendElement(element.Memory);
                break;
        }
    }

    private static int CountOf(FieldDescriptor field, InferTensorContents contents)
        => ((IList)field.Accessor.GetValue(contents)).Count;

    private static ServerException Invalid(string message) => new(ErrorKind.InvalidRequest, message);
}
