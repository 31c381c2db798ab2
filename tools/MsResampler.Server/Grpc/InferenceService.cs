using System.Buffers;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Http.Features;
using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Hosting;
using MsResampler.Server.Inputs;
using MsResampler.Server.Metrics;
using MsResampler.Server.Models;
using MsResampler.Server.Outputs;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Grpc;

/// <summary>The Open Inference Protocol over gRPC.</summary>
internal sealed class InferenceService(ModelCatalog models, ServerSettings settings, ServerMetrics metrics)
    : GRPCInferenceService.GRPCInferenceServiceBase
{
    /// <summary>The largest message is 2 GiB; this leaves room for what is not values.</summary>
    private const long MaxAnswerBytes = int.MaxValue - (1 << 16);

    public override Task<ServerLiveResponse> ServerLive(ServerLiveRequest request, ServerCallContext context)
        => Task.FromResult(new ServerLiveResponse { Live = models.IsLive });

    public override Task<ServerReadyResponse> ServerReady(ServerReadyRequest request, ServerCallContext context)
        => Task.FromResult(new ServerReadyResponse { Ready = models.IsReady });

    public override Task<ModelReadyResponse> ModelReady(ModelReadyRequest request, ServerCallContext context)
    {
        ServedModel model = models.Find(request.Name, request.Version);
        return Task.FromResult(new ModelReadyResponse
        {
            Ready = model.State == ModelState.Ready && !models.IsDraining,
        });
    }

    public override Task<ServerMetadataResponse> ServerMetadata(ServerMetadataRequest request,
        ServerCallContext context) => Task.FromResult(new ServerMetadataResponse
        {
            Name = ServerIdentity.Name,
            Version = ServerIdentity.Version,
            Extensions = { ServerIdentity.Extensions },
        });

    public override Task<ModelMetadataResponse> ModelMetadata(ModelMetadataRequest request, ServerCallContext context)
    {
        ServedModel model = models.Find(request.Name, request.Version);
        return Task.FromResult(new ModelMetadataResponse
        {
            Name = model.Name,
            Versions = { ServedModel.Version },
            Platform = ServedModel.Platform,
            Inputs = { model.Inputs.Select(MetadataOf) },
            Outputs = { model.Outputs.Select(MetadataOf) },
        });
    }

    public override async Task<ModelInferResponse> ModelInfer(ModelInferRequest request, ServerCallContext context)
    {
        ServedModel model = models.Find(request.ModelName, request.ModelVersion);
        try
        {
            return await InferAsync(model, request, context).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            metrics.Failed(model.Name, GrpcErrors.KindOf(exception, context));
            throw;
        }
    }

    private async Task<ModelInferResponse> InferAsync(ServedModel model, ModelInferRequest request,
        ServerCallContext context)
    {
        HttpContext http = context.GetHttpContext();
        CallResources resources = http.Features.GetRequiredFeature<CallResources>();
        InferenceRequest inference;
        using (RequestInputs inputs = new(model.Shape, settings, resources.Memory))
        {
            InferRequestReader.Read(request, inputs);
            inference = resources.Keep(inputs.Build(ClientName.Of(http, settings),
                request.Id.Length > 0 ? request.Id : null, InferRequestReader.Read(request.Parameters),
                InferRequestReader.ReadOutputs(request)));
        }

        ReserveAnswer(inference, model.Shape, resources);
        InferenceResult result = resources.Keep(await model.InferAsync(inference, context.CancellationToken)
            .ConfigureAwait(false));
        ModelInferResponse response = new()
        {
            ModelName = model.Name,
            ModelVersion = ServedModel.Version,
            Id = request.Id,
        };
        foreach (OutputTensor output in OutputTensor.Of(inference, result, model.Shape))
        {
            response.Outputs.Add(new ModelInferResponse.Types.InferOutputTensor
            {
                Name = output.Name,
                Datatype = Datatypes.NameOf(output.Datatype),
                Shape = { output.Shape },
            });
            response.RawOutputContents.Add(RawContents(output, resources));
        }

        return response;
    }

    /// <summary>Reserves the serialised answer, which the transport buffers, before anything is computed.</summary>
    private static void ReserveAnswer(InferenceRequest inference, ModelShape shape, CallResources resources)
    {
        long perGroup = (long)shape.TokenCount * (shape.TokenWidth
            + (inference.WantsGate ? shape.ScopeCount * shape.GateGroupCount : 0)) * sizeof(float);
        long count = inference.GroupCount * perGroup;
        if (count > MaxAnswerBytes)
        {
            throw new ServerException(ErrorKind.TooLarge, $"expected a request whose answer has at most "
                + $"{MaxAnswerBytes} bytes, found one of {count}; send fewer images");
        }

        resources.Memory.Grow(count);
    }

    /// <summary>The values as raw contents: those of float32 in place, others in an array of the pool.</summary>
    private static ByteString RawContents(OutputTensor output, CallResources resources)
    {
        if (output.Datatype == Datatype.Fp32 && BitConverter.IsLittleEndian)
            return UnsafeByteOperations.UnsafeWrap(new FloatBytes(output.Values).Memory);
        IMemoryOwner<byte> bytes = resources.Keep(MemoryPool<byte>.Shared.Rent((int)output.RawLength));
        output.WriteRaw(0, output.Values.Length, bytes.Memory.Span);
        return UnsafeByteOperations.UnsafeWrap(bytes.Memory[..(int)output.RawLength]);
    }

    private static ModelMetadataResponse.Types.TensorMetadata MetadataOf(TensorSpec tensor) => new()
    {
        Name = tensor.Name,
        Datatype = Datatypes.NameOf(tensor.Datatypes[0]),
        Shape = { tensor.Shape },
    };
}
