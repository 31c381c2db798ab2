using System.Runtime.InteropServices;
using System.Text;
using Google.Protobuf;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using MsResampler.Server.Grpc;
using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Hosting;
using MsResampler.Server.Limits;
using MsResampler.Server.Metrics;
using MsResampler.Server.Models;
using MsResampler.Server.Tests.Batching;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>The memory of answers, which the library serialises after the service has returned them. The pool of these
/// tests fills returned arrays with NaN.</summary>
internal sealed class AnswerLifetimeTests : TemporaryFolderFixture
{
    [Test]
    public async Task An_answer_stays_until_its_call_ends([Values("FP32", "FP16")] string precision)
    {
        ResamplerConfig config = Configs.Of(Configs.None);
        RandomModel.Write(Folder.Path, config, Encoding.UTF8.GetBytes(ConfigJson.Of(config)), 1);
        ServerSettings settings = new()
        {
            Models = { ["small"] = new ModelSettings { Path = Folder.Path, Backend = "cpu", Threads = 1 } },
        };
        CountingPool pool = new();
        ServerMetrics metrics = new();
        await using ModelCatalog models = new(settings, metrics, NullLoggerFactory.Instance,
            new ModelParts { Pool = pool });
        await models.Find("small").Loading;
        MemoryBudget budget = new(1 << 20);
        CallResources resources = new(budget);
        DefaultHttpContext http = new();
        http.Features.Set(resources);
        ModelInferResponse answer = await new InferenceService(models, settings, metrics).ModelInfer(
            Request(config.VisionHiddenSize, precision), new FakeServerCall(http, CancellationToken.None));
        byte[] before = answer.ToByteArray();
        long used = budget.Used;
        int rented = pool.RentedCount;
        resources.Dispose();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ModelInferResponse.Parser.ParseFrom(before).RawOutputContents[0].ToByteArray(),
                Is.EqualTo(Expected(config.VisionHiddenSize, precision)));
            Assert.That(used, Is.GreaterThan(before.Length));
            Assert.That(rented, Is.EqualTo(1), "the tokens");
            Assert.That(pool.RentedCount, Is.Zero);
            Assert.That(budget.Used, Is.Zero);
        }
    }

    private byte[] Expected(int width, string precision)
    {
        using Resampler library = Resampler.Load(Folder.Path, new ResamplerOptions { Backend = Backend.Cpu });
        float[] tokens = library.Resample(new float[width], new PatchGrid(1, 1));
        return precision == "FP32" ? MemoryMarshal.AsBytes(tokens.AsSpan()).ToArray()
            : MemoryMarshal.AsBytes(tokens.Select(value => (Half)value).ToArray().AsSpan()).ToArray();
    }

    private static ModelInferRequest Request(int width, string precision) => new()
    {
        ModelName = "small",
        Parameters = { ["precision"] = new InferParameter { StringParam = precision } },
        Inputs =
        {
            new ModelInferRequest.Types.InferInputTensor { Name = "features", Datatype = "FP32", Shape = { 1, width } },
            new ModelInferRequest.Types.InferInputTensor { Name = "grids", Datatype = "INT32", Shape = { 1, 2 } },
        },
        RawInputContents =
        {
            ByteString.CopyFrom(new byte[4 * width]), ByteString.CopyFrom([1, 0, 0, 0, 1, 0, 0, 0]),
        },
    };
}
