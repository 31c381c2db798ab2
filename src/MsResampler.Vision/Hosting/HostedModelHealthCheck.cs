using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace MsResampler.Vision;

/// <summary>Healthy if the model is loaded and, if the options say so, warm. It never waits: if nobody has asked for
/// the model, it starts to load it, so that a service that gets no calls before it is healthy becomes
/// healthy.</summary>
internal sealed class HostedModelHealthCheck(HostedModel model) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context,
        CancellationToken cancellationToken = default)
    {
        HealthStatus failure = context.Registration.FailureStatus;
        HostedModelState state = model.State;
        if (state == HostedModelState.NotLoaded)
            _ = model.StartAsync(CancellationToken.None);
        return Task.FromResult(state switch
        {
            HostedModelState.Ready => HealthCheckResult.Healthy("the model is loaded", Data(model.Parts)),
            HostedModelState.Failed => new HealthCheckResult(failure,
                $"the model cannot be used: {model.Failure!.Message}", model.Failure),
            HostedModelState.WarmingUp => new HealthCheckResult(failure, "the model is loaded and warming up",
                data: Data(model.Parts)),
            _ => new HealthCheckResult(failure, "the model is being loaded"),
        });
    }

    private static Dictionary<string, object> Data(HostedModelParts parts)
    {
        Dictionary<string, object> data = new()
        {
            ["model"] = parts.Path,
            ["layout"] = parts.Layout.ToString(),
            ["backend"] = parts.Resampler.Description,
            ["precision"] = parts.Resampler.Precision.ToString(),
            ["warnings"] = parts.Resampler.Warnings.Count,
        };
        if (parts.Tokenizer is { } tokenizer)
            data["encoder"] = tokenizer.Encoder.Name;
        return data;
    }
}
