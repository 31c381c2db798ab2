using Google.Protobuf.Reflection;
using Grpc.AspNetCore.Server;
using Grpc.Health.V1;
using Microsoft.AspNetCore.Http.Features;
using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Hosting;
using MsResampler.Server.Limits;

namespace MsResampler.Server.Grpc;

/// <summary>Registers the gRPC services: inference, health and reflection.</summary>
internal static class GrpcEndpoints
{
    /// <summary>The largest message of health and reflection, which are names.</summary>
    private const int MaxNameMessageBytes = 1 << 16;

    /// <summary>Adds what the services need.</summary>
    public static void AddInferenceGrpc(this IServiceCollection services, ServerSettings settings)
    {
        services.AddGrpc();
        services.AddGrpcReflection();
        // After AddGrpc, which adds a provider if there is none.
        services.Configure<GrpcServiceOptions>(options =>
        {
            options.MaxReceiveMessageSize = MaxNameMessageBytes;
            options.MaxSendMessageSize = null;
            // A small compressed message could become one of any size. Floats hardly become smaller anyway.
            options.CompressionProviders.Clear();
        });
        services.Configure<GrpcServiceOptions<InferenceService>>(options =>
        {
            options.MaxReceiveMessageSize = (int)Math.Min(settings.MaxRequestBytes, int.MaxValue);
            options.Interceptors.Add<ErrorInterceptor>();
        });
        // The library logs errors of clients, each with a stack trace; ErrorInterceptor logs those of the server.
        services.AddLogging(logging => logging.AddFilter("Grpc", LogLevel.Critical));
    }

    /// <summary>Adds the paths of the services.</summary>
    public static void MapInferenceGrpc(this IEndpointRouteBuilder routes)
    {
        MemoryBudget budget = routes.ServiceProvider.GetRequiredService<MemoryBudget>();
        ServerSettings settings = routes.ServiceProvider.GetRequiredService<ServerSettings>();
        routes.MapGrpcService<InferenceService>().Add(endpoint => ReadMessages(endpoint,
            GRPCInferenceService.Descriptor, budget, settings.MaxRequestBytes));
        routes.MapGrpcService<HealthService>().Add(endpoint => ReadMessages(endpoint,
            Health.Descriptor, budget, MaxNameMessageBytes));
        routes.MapGrpcReflectionService();
    }

    /// <summary>Gives each call its resources, and the library a body that reserves memory and whose errors have a
    /// status.</summary>
    private static void ReadMessages(EndpointBuilder endpoint, Google.Protobuf.Reflection.ServiceDescriptor service,
        MemoryBudget budget, long maxBytes)
    {
        // The endpoints for unknown methods have no metadata, and read no body.
        if (endpoint.Metadata.OfType<GrpcMethodMetadata>().FirstOrDefault() is not GrpcMethodMetadata metadata
            || endpoint.RequestDelegate is not RequestDelegate handler)
        {
            return;
        }

        MessageDescriptor type = service.FindMethodByName(metadata.Method.Name).InputType;
        endpoint.RequestDelegate = async context =>
        {
            using CallResources resources = new(budget);
            context.Features.Set(resources);
            // MessageReader has the limit for messages. The server's own would abort the call without a status.
            if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
                limit.MaxRequestBodySize = null;
            context.Features.Set<IRequestBodyPipeFeature>(new MessageReader(context.Request.BodyReader, type,
                resources.Memory, budget.Capacity, maxBytes));
            await handler(context).ConfigureAwait(false);
        };
    }
}
