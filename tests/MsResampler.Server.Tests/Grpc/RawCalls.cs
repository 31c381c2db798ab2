using Grpc.Core;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>Calls of the service whose messages are bytes, whatever they mean.</summary>
internal static class RawCalls
{
    private static readonly Marshaller<byte[]> s_bytes = Marshallers.Create(bytes => bytes, bytes => bytes);

    /// <summary>Starts a call.</summary>
    public static AsyncUnaryCall<byte[]> Start(ChannelBase channel, string method, byte[] message,
        CallOptions options = default, string service = "inference.GRPCInferenceService")
        => channel.CreateCallInvoker().AsyncUnaryCall(new Method<byte[], byte[]>(MethodType.Unary, service, method,
            s_bytes, s_bytes), null, options, message);
}
