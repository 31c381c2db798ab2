using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using MsResampler;
using MsResampler.Vision;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds a resampler to the services of a program.</summary>
public static class MsResamplerServiceCollectionExtensions
{
    /// <summary>Adds singletons that share one model: <see cref="Resampler"/> and, if the options name an encoder,
    /// <see cref="VisionEncoder"/>, <see cref="VisualTokenizer"/> and the tokenizer as
    /// <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/>. A host loads the model in the background when it starts;
    /// without a host the first use does. The container disposes the model. If it cannot be loaded, everyone who asks
    /// for a service gets the same exception.</summary>
    /// <param name="services">The services. A second call adds settings to the same model.</param>
    /// <param name="configure">Sets the options.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddMsResampler(this IServiceCollection services,
        Action<MsResamplerOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        services.AddOptions<MsResamplerOptions>().Configure(configure).ValidateOnStart();
        return Add(services);
    }

    /// <summary>Adds a resampler with options from a configuration.</summary>
    /// <param name="services">The services. A second call adds settings to the same model.</param>
    /// <param name="configuration">The section whose keys are the properties of <see cref="MsResamplerOptions"/>. It is
    /// read once.</param>
    /// <returns>The services.</returns>
    /// <inheritdoc cref="AddMsResampler(IServiceCollection, Action{MsResamplerOptions})" path="/summary"/>
    [RequiresUnreferencedCode(MsResamplerOptionsBinder.Reflection)]
    [RequiresDynamicCode(MsResamplerOptionsBinder.Reflection)]
    public static IServiceCollection AddMsResampler(this IServiceCollection services, IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configuration);
        services.AddOptions<MsResamplerOptions>().ValidateOnStart();
        services.AddSingleton<IConfigureOptions<MsResamplerOptions>>(new MsResamplerOptionsBinder(configuration));
        return Add(services);
    }

    private static IServiceCollection Add(IServiceCollection services)
    {
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<MsResamplerOptions>, MsResamplerOptionsValidator>());
        services.TryAddSingleton(provider => new HostedModel(
            provider.GetRequiredService<IOptions<MsResamplerOptions>>(), provider.GetService<ILoggerFactory>()));
        services.TryAddSingleton(provider => Parts(provider).Resampler);
        services.TryAddSingleton(provider => Parts(provider).RequiredEncoder);
        services.TryAddSingleton(provider => Parts(provider).RequiredTokenizer);
        services.TryAddSingleton<IEmbeddingGenerator<DataContent, VisualTokens>>(
            provider => provider.GetRequiredService<VisualTokenizer>());
        services.AddHostedService<HostedModelService>();
        return services;
    }

    private static HostedModelParts Parts(IServiceProvider provider)
        => provider.GetRequiredService<HostedModel>().Parts;
}
