using Grpc.Core;
using Grpc.Reflection.V1Alpha;
using MsResampler.Server.Grpc.Protocol;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>What the server says about itself and its models.</summary>
internal sealed class MetadataTests : GrpcFixture
{
    [Test]
    public async Task The_server_has_a_name_a_version_and_extensions()
    {
        ServerMetadataResponse answer = await Client.ServerMetadataAsync(new ServerMetadataRequest());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(answer.Name, Is.EqualTo("msresampler-server"));
            Assert.That(answer.Version, Does.Match(@"^\d+\.\d+\.\d+$"));
            Assert.That(answer.Extensions, Is.EqualTo(new[] { "binary_tensor_data" }));
        }
    }

    [Test]
    public async Task A_model_has_a_version_a_platform_inputs_and_outputs()
    {
        ModelMetadataResponse answer
            = await Client.ModelMetadataAsync(new ModelMetadataRequest { Name = ModelName, Version = "1" });
        using (Assert.EnterMultipleScope())
        {
            Assert.That((answer.Name, answer.Platform), Is.EqualTo((ModelName, "msresampler")));
            Assert.That(answer.Versions, Is.EqualTo(new[] { "1" }));
            Assert.That(answer.Inputs.Select(Describe), Is.EqualTo(new[]
            {
                "features FP32 -1,12", "grids INT32 -1,2", "groups INT32 -1", "temporal_ids INT32 -1",
            }));
            Assert.That(answer.Outputs.Select(Describe),
                Is.EqualTo(new[] { "tokens FP32 -1,6,10", "gate FP32 -1,6,2,3" }));
        }
    }

    [Test]
    public async Task The_metadata_of_an_unknown_model_or_version_are_not_found(
        [Values("absent", ModelName)] string name)
    {
        ModelMetadataRequest request = new() { Name = name, Version = "9" };
        await FailsAsync(async () => await Client.ModelMetadataAsync(request), StatusCode.NotFound);
    }

    /// <summary>A status is sent as a header, and clients end a connection whose headers are too long.</summary>
    [Test]
    public async Task A_model_or_version_with_a_long_name_is_not_found([Values] bool isKnown)
    {
        string text = new('x', 100_000);
        ModelMetadataRequest request = new() { Name = isKnown ? ModelName : text, Version = text };
        await FailsAsync(async () => await Client.ModelMetadataAsync(request), StatusCode.NotFound,
            "100000 characters");
    }

    [Test, CancelAfter(20_000)]
    public async Task Reflection_lists_the_services_and_describes_the_protocol(CancellationToken token)
    {
        using AsyncDuplexStreamingCall<ServerReflectionRequest, ServerReflectionResponse> call
            = new ServerReflection.ServerReflectionClient(Channel).ServerReflectionInfo(cancellationToken: token);
        ServerReflectionResponse list = await AskAsync(call, new ServerReflectionRequest { ListServices = "" }, token);
        ServerReflectionResponse file = await AskAsync(call,
            new ServerReflectionRequest { FileContainingSymbol = "inference.GRPCInferenceService" }, token);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(list.ListServicesResponse.Service.Select(service => service.Name),
                Is.SupersetOf(new[] { "inference.GRPCInferenceService", "grpc.health.v1.Health" }));
            Assert.That(file.FileDescriptorResponse.FileDescriptorProto[0],
                Is.EqualTo(OpenInferenceReflection.Descriptor.SerializedData));
        }
    }

    private static async Task<ServerReflectionResponse> AskAsync(
        AsyncDuplexStreamingCall<ServerReflectionRequest, ServerReflectionResponse> call,
        ServerReflectionRequest question, CancellationToken token)
    {
        await call.RequestStream.WriteAsync(question, token);
        Assert.That(await call.ResponseStream.MoveNext(token), Is.True);
        return call.ResponseStream.Current;
    }

    private static string Describe(ModelMetadataResponse.Types.TensorMetadata tensor)
        => $"{tensor.Name} {tensor.Datatype} {string.Join(',', tensor.Shape)}";
}
