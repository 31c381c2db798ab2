using Grpc.Core;
using Grpc.Health.V1;
using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace MsResampler.Server.Grpc;

/// <summary>The health protocol of gRPC: the empty name and that of the service follow the readiness of the server, the
/// name of a model that of the model.</summary>
internal sealed class HealthService(ModelCatalog models, IHostApplicationLifetime lifetime) : Health.HealthBase
{
    /// <summary>How soon watchers see a change.</summary>
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(100);

    public override Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context)
    {
        ServingStatus status = StatusOf(request.Service);
        return status != ServingStatus.ServiceUnknown
            ? Task.FromResult(new HealthCheckResponse { Status = status })
            : throw new RpcException(new Status(StatusCode.NotFound,
                $"there is no service {Quoted.Of(request.Service)}; "
                + $"expected '', '{GRPCInferenceService.Descriptor.FullName}' or the name of a model"));
    }

    /// <summary>Writes the status now and after each change. It ends when the server stops: open calls would delay
    /// that.</summary>
    public override async Task Watch(HealthCheckRequest request,
        IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
    {
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(
            context.CancellationToken, lifetime.ApplicationStopping);
        using PeriodicTimer timer = new(s_interval);
        ServingStatus? written = null;
        while (!context.CancellationToken.IsCancellationRequested)
        {
            ServingStatus status = StatusOf(request.Service);
            if (status != written)
                await responseStream.WriteAsync(new HealthCheckResponse { Status = status }).ConfigureAwait(false);
            written = status;
            if (lifetime.ApplicationStopping.IsCancellationRequested)
                throw new RpcException(new Status(StatusCode.Unavailable, "the server stops"));
            try
            {
                await timer.WaitForNextTickAsync(end.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
            }
        }
    }

    private ServingStatus StatusOf(string service)
    {
        bool? isReady = service.Length == 0 || service == GRPCInferenceService.Descriptor.FullName ? models.IsReady
            : models.All.FirstOrDefault(model => model.Name == service) is ServedModel found ? IsReady(found) : null;
        return isReady switch
        {
            null => ServingStatus.ServiceUnknown,
            true when !lifetime.ApplicationStopping.IsCancellationRequested => ServingStatus.Serving,
            _ => ServingStatus.NotServing,
        };
    }

    private bool IsReady(ServedModel model) => !models.IsDraining && model.State == ModelState.Ready;
}
