using Microsoft.Extensions.Diagnostics.HealthChecks;
using MsResampler.Vision;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds the health check of a resampler.</summary>
public static class MsResamplerHealthChecksBuilderExtensions
{
    /// <summary>Adds a check of the model of <see cref="MsResamplerServiceCollectionExtensions"/>. It is healthy once
    /// the model is loaded and, if <see cref="MsResamplerOptions.WarmUp"/> is set, warm, with data about model, layout,
    /// backend, precision and encoder. It never waits, and starts to load a model that nobody has asked for.</summary>
    /// <param name="builder">The health checks.</param>
    /// <param name="name">The name of the check.</param>
    /// <param name="failureStatus">What is reported before the model is ready or if it failed; null for
    /// <see cref="HealthStatus.Unhealthy"/>.</param>
    /// <param name="tags">Tags to filter checks by, or null.</param>
    /// <returns>The health checks.</returns>
    public static IHealthChecksBuilder AddMsResampler(this IHealthChecksBuilder builder, string name = "msresampler",
        HealthStatus? failureStatus = null, IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(new HealthCheckRegistration(name,
            provider => new HostedModelHealthCheck(provider.GetRequiredService<HostedModel>()), failureStatus, tags));
    }
}
