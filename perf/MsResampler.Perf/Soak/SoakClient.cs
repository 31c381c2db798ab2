using System.Globalization;
using System.Net.Sockets;
using MsResampler.Perf.Serving;

namespace MsResampler.Perf.Soak;

/// <summary>One client of the soak: it sends requests of one kind until the time is over.</summary>
internal sealed class SoakClient(SoakKind kind, ServerProcess server, PreparedCall[] calls, WrongRequest[] wrong,
    SoakCounts counts, int seed)
{
    private const int PieceCount = 12;
    private const int MaxPauseMs = 15;
    private const int MaxWaitMs = 12;
    private const int NotFound = 5;

    /// <summary>A request that has no answer after this time is stuck.</summary>
    private static readonly TimeSpan s_answerLimit = TimeSpan.FromSeconds(30);

    private readonly Random _random = new(seed);
    private RestConnection? _rest;
    private GrpcConnection? _grpc;

    /// <summary>Sends requests until a token is cancelled; the last one is finished.</summary>
    public async Task RunAsync(CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            using CancellationTokenSource limit = new(s_answerLimit);
            try
            {
                await SendAsync(limit.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                counts.Add($"{kind}: no answer after {s_answerLimit.TotalSeconds:0} s");
                Close();
            }
            catch (Exception exception) when (exception is IOException or SocketException
                or HttpRequestException or InvalidDataException)
            {
                counts.Add($"{kind}: {exception.Message}");
                Close();
            }
        }

        Close();
    }

    private Task SendAsync(CancellationToken limit)
    {
        PreparedCall call = calls[_random.Next(calls.Length)];
        return kind switch
        {
            SoakKind.RestRight => CallAsync(call, limit),
            SoakKind.GrpcRight => CallGrpcAsync(call, limit),
            SoakKind.RestWrong => CallWronglyAsync(limit),
            SoakKind.GrpcWrong => CallGrpcWronglyAsync(call, limit),
            SoakKind.RestSlow => CallSlowlyAsync(call, limit),
            SoakKind.RestGone => GoAsync(call, limit),
            SoakKind.Http2Gone => GoOverHttp2Async(call, limit),
            _ => GoGrpcAsync(call, limit),
        };
    }

    private async Task CallAsync(PreparedCall call, CancellationToken limit)
    {
        _rest ??= await RestConnection.OpenAsync(server.Http, limit).ConfigureAwait(false);
        counts.AddSent();
        Check(call, await _rest.CallAsync(call, limit).ConfigureAwait(false));
    }

    private async Task CallGrpcAsync(PreparedCall call, CancellationToken limit)
    {
        _grpc ??= new GrpcConnection(server.Grpc);
        counts.AddSent();
        Check(call, await _grpc.CallAsync(call, limit).ConfigureAwait(false));
    }

    private void Check(PreparedCall call, ServingAnswer answer)
    {
        if (answer.IsRight(call))
            counts.AddRight();
        else
            counts.Add($"{kind}: expected the tokens of the library, found {answer.Describe()}");
    }

    private async Task CallWronglyAsync(CancellationToken limit)
    {
        WrongRequest request = wrong[_random.Next(wrong.Length)];
        using RestConnection connection = await RestConnection.OpenAsync(server.Http, limit).ConfigureAwait(false);
        counts.AddSent();
        await connection.SendAsync(request.Bytes, limit).ConfigureAwait(false);
        ServingAnswer answer = await connection.ReceiveAsync(limit).ConfigureAwait(false);
        if (answer.Status == request.Status)
            counts.AddRefused();
        else
            counts.Add($"{kind}, {request.Name}: expected status {request.Status}, found {answer.Describe()}");
    }

    /// <summary>The name of a model is the first field of a message: another letter makes it unknown.</summary>
    private async Task CallGrpcWronglyAsync(PreparedCall call, CancellationToken limit)
    {
        _grpc ??= new GrpcConnection(server.Grpc);
        byte[] message = [.. call.Grpc];
        message[PreparedCall.GrpcPrefixLength + 2]++;
        counts.AddSent();
        ServingAnswer answer = await _grpc.CallAsync(call with { Grpc = message }, limit).ConfigureAwait(false);
        if (answer.Status == NotFound)
            counts.AddRefused();
        else
            counts.Add($"{kind}: expected status {NotFound}, found {answer.Describe()}");
    }

    private async Task CallSlowlyAsync(PreparedCall call, CancellationToken limit)
    {
        using RestConnection connection = await RestConnection.OpenAsync(server.Http, limit).ConfigureAwait(false);
        counts.AddSent();
        int length = (call.Rest.Length / PieceCount) + 1;
        for (int start = 0; start < call.Rest.Length; start += length)
        {
            await connection.SendAsync(call.Rest.AsMemory(start, Math.Min(length, call.Rest.Length - start)), limit)
                .ConfigureAwait(false);
            await Task.Delay(_random.Next(MaxPauseMs), limit).ConfigureAwait(false);
        }

        connection.ReadPause = TimeSpan.FromMilliseconds(_random.Next(1, MaxPauseMs));
        Check(call, await connection.ReceiveAsync(limit).ConfigureAwait(false));
    }

    private async Task GoAsync(PreparedCall call, CancellationToken limit)
    {
        using RestConnection connection = await RestConnection.OpenAsync(server.Http, limit).ConfigureAwait(false);
        counts.AddSent();
        int length = _random.Next(2) == 0 ? call.Rest.Length : _random.Next(1, call.Rest.Length);
        await connection.SendAsync(call.Rest.AsMemory(0, length), limit).ConfigureAwait(false);
        await Task.Delay(_random.Next(MaxWaitMs), limit).ConfigureAwait(false);
        counts.AddGone();
    }

    /// <summary>The connection ends while the server waits for the rest of the body.</summary>
    private async Task GoOverHttp2Async(PreparedCall call, CancellationToken limit)
    {
        ReadOnlyMemory<byte> body = call.Rest.AsMemory(call.RestHeadLength);
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using HttpMessageInvoker client = new(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                await socket.ConnectAsync(server.Grpc, cancellationToken).ConfigureAwait(false);
                return new NetworkStream(socket, ownsSocket: false);
            },
        });
        PartialContent content = new(body[..(body.Length / 2)]);
        content.Headers.TryAddWithoutValidation("Inference-Header-Content-Length",
            call.JsonLength.ToString(CultureInfo.InvariantCulture));
        using HttpRequestMessage request = new(HttpMethod.Post,
            new Uri($"http://{server.Grpc}{PreparedCall.RestPath}"))
        {
            Version = System.Net.HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        counts.AddSent();
        Task<HttpResponseMessage> answer = client.SendAsync(request, limit);
        await content.Sent.WaitAsync(limit).ConfigureAwait(false);
        await Task.Delay(_random.Next(1, MaxWaitMs), limit).ConfigureAwait(false);
        socket.Dispose();
        try
        {
            (await answer.ConfigureAwait(false)).Dispose();
            counts.Add($"{kind}: expected no answer to half a request");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException
            || (exception is OperationCanceledException && !limit.IsCancellationRequested))
        {
            counts.AddGone();
        }
    }

    private async Task GoGrpcAsync(PreparedCall call, CancellationToken limit)
    {
        _grpc ??= new GrpcConnection(server.Grpc);
        using CancellationTokenSource cancellation = CancellationTokenSource.CreateLinkedTokenSource(limit);
        counts.AddSent();
        cancellation.CancelAfter(_random.Next(MaxWaitMs));
        try
        {
            Check(call, await _grpc.CallAsync(call, cancellation.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (!limit.IsCancellationRequested)
        {
            counts.AddGone();
        }
    }

    private void Close()
    {
        _rest?.Dispose();
        _grpc?.Dispose();
        (_rest, _grpc) = (null, null);
    }
}
