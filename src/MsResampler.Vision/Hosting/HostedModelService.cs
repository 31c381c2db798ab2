using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace MsResampler.Vision;

/// <summary>Loads the model in the background when the host starts, if the options say so. A failure does not stop the
/// host: it is logged, and the health check and every call report it.</summary>
internal sealed class HostedModelService(HostedModel model, IOptions<MsResamplerOptions> options) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken)
        => options.Value.WarmUp ? model.StartAsync(stoppingToken) : Task.CompletedTask;
}
