using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Models;

namespace MsResampler.Server.Grpc;

/// <summary>The Open Inference Protocol over gRPC.</summary>
internal sealed class InferenceService(ModelCatalog models) : GRPCInferenceService.GRPCInferenceServiceBase
{
}
