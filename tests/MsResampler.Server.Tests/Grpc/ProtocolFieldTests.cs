using Google.Protobuf.Reflection;
using MsResampler.Server.Grpc.Protocol;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>The names, numbers and types of the protocol, which other programs rely on. The tables are written from the
/// published specification.</summary>
internal sealed class ProtocolFieldTests
{
    private const string Parameters = "map<string,inference.InferParameter>";

    private static readonly string[] s_messages =
    [
        "ServerLiveRequest:",
        "ServerLiveResponse: bool live=1",
        "ServerReadyRequest:",
        "ServerReadyResponse: bool ready=1",
        "ModelReadyRequest: string name=1, string version=2",
        "ModelReadyResponse: bool ready=1",
        "ServerMetadataRequest:",
        "ServerMetadataResponse: string name=1, string version=2, repeated string extensions=3",
        "ModelMetadataRequest: string name=1, string version=2",
        "ModelMetadataResponse: string name=1, repeated string versions=2, string platform=3, "
            + "repeated inference.ModelMetadataResponse.TensorMetadata inputs=4, "
            + "repeated inference.ModelMetadataResponse.TensorMetadata outputs=5",
        "ModelMetadataResponse.TensorMetadata: string name=1, string datatype=2, repeated int64 shape=3",
        $"ModelInferRequest: string model_name=1, string model_version=2, string id=3, {Parameters} parameters=4, "
            + "repeated inference.ModelInferRequest.InferInputTensor inputs=5, "
            + "repeated inference.ModelInferRequest.InferRequestedOutputTensor outputs=6, "
            + "repeated bytes raw_input_contents=7",
        $"ModelInferRequest.InferInputTensor: string name=1, string datatype=2, repeated int64 shape=3, "
            + $"{Parameters} parameters=4, inference.InferTensorContents contents=5",
        $"ModelInferRequest.InferRequestedOutputTensor: string name=1, {Parameters} parameters=2",
        $"ModelInferResponse: string model_name=1, string model_version=2, string id=3, {Parameters} parameters=4, "
            + "repeated inference.ModelInferResponse.InferOutputTensor outputs=5, repeated bytes raw_output_contents=6",
        $"ModelInferResponse.InferOutputTensor: string name=1, string datatype=2, repeated int64 shape=3, "
            + $"{Parameters} parameters=4, inference.InferTensorContents contents=5",
        "InferParameter: bool bool_param=1, int64 int64_param=2, string string_param=3, double double_param=4, "
            + "uint64 uint64_param=5",
        "InferTensorContents: repeated bool bool_contents=1, repeated int32 int_contents=2, "
            + "repeated int64 int64_contents=3, repeated uint32 uint_contents=4, repeated uint64 uint64_contents=5, "
            + "repeated float fp32_contents=6, repeated double fp64_contents=7, repeated bytes bytes_contents=8",
    ];

    private static readonly string[] s_calls =
    [
        "ServerLive(inference.ServerLiveRequest) inference.ServerLiveResponse",
        "ServerReady(inference.ServerReadyRequest) inference.ServerReadyResponse",
        "ModelReady(inference.ModelReadyRequest) inference.ModelReadyResponse",
        "ServerMetadata(inference.ServerMetadataRequest) inference.ServerMetadataResponse",
        "ModelMetadata(inference.ModelMetadataRequest) inference.ModelMetadataResponse",
        "ModelInfer(inference.ModelInferRequest) inference.ModelInferResponse",
    ];

    private static readonly FileDescriptor s_file = OpenInferenceReflection.Descriptor;

    [Test]
    public void Fields_have_the_names_numbers_and_types_of_the_protocol()
        => Assert.That(s_file.MessageTypes.SelectMany(WithNested).Select(Describe), Is.EquivalentTo(s_messages));

    [Test]
    public void The_service_has_the_calls_of_the_protocol()
    {
        ServiceDescriptor service = s_file.Services.Single();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(service.FullName, Is.EqualTo("inference.GRPCInferenceService"));
            Assert.That(service.Methods.Select(method
                => $"{method.Name}({method.InputType.FullName}) {method.OutputType.FullName}"), Is.EqualTo(s_calls));
            Assert.That(service.Methods.Any(method => method.IsClientStreaming || method.IsServerStreaming), Is.False);
        }
    }

    [Test]
    public void The_value_of_a_parameter_is_one_of_its_fields()
    {
        MessageDescriptor parameter = s_file.FindTypeByName<MessageDescriptor>("InferParameter");
        OneofDescriptor choice = parameter.Oneofs.Single();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(choice.Name, Is.EqualTo("parameter_choice"));
            Assert.That(choice.Fields.Select(field => field.FieldNumber), Is.EqualTo(new[] { 1, 2, 3, 4, 5 }));
        }
    }

    private static IEnumerable<MessageDescriptor> WithNested(MessageDescriptor message)
        => [message, .. message.NestedTypes.Where(nested => !nested.Name.EndsWith("Entry", StringComparison.Ordinal))];

    private static string Describe(MessageDescriptor message)
    {
        string fields = string.Join(", ", message.Fields.InFieldNumberOrder().Select(field
            => $"{TypeOf(field)} {field.Name}={field.FieldNumber}"));
        return $"{message.FullName["inference.".Length..]}: {fields}".TrimEnd();
    }

    private static string TypeOf(FieldDescriptor field)
    {
        if (field.IsMap)
            return $"map<{string.Join(',', field.MessageType.Fields.InFieldNumberOrder().Select(NameOf))}>";
        return field.IsRepeated ? $"repeated {NameOf(field)}" : NameOf(field);
    }

    private static string NameOf(FieldDescriptor field) => field.FieldType == FieldType.Message
        ? field.MessageType.FullName : field.FieldType.ToString().ToLowerInvariant();
}
