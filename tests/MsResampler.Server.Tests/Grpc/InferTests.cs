using MsResampler.Server.Grpc.Protocol;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>Answers over gRPC.</summary>
internal sealed class InferTests : GrpcFixture
{
    private static readonly PatchGrid[] s_grids = [new(4, 5), new(3, 2), new(1, 1)];

    [Test]
    public async Task Raw_values_give_the_bits_of_the_library()
    {
        float[] features = RandomFeatures(3, s_grids);
        ModelInferResponse answer = await Client.ModelInferAsync(Raw(features, s_grids));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Numbers<float>(answer.RawOutputContents[0]), Is.EqualTo(Library.Resample(features, s_grids)));
            Assert.That(answer.RawOutputContents, Has.Count.EqualTo(1));
            Assert.That(answer.Outputs, Has.Count.EqualTo(1));
            Assert.That(answer.Outputs[0].Name, Is.EqualTo("tokens"));
            Assert.That(answer.Outputs[0].Datatype, Is.EqualTo("FP32"));
            Assert.That(answer.Outputs[0].Shape, Is.EqualTo(new long[] { 3, 6, 10 }));
            Assert.That(answer.Outputs[0].Contents, Is.Null);
        }
    }

    [Test]
    public async Task Typed_values_give_the_bits_of_the_library()
    {
        float[] features = RandomFeatures(4, s_grids);
        ModelInferResponse answer = await Client.ModelInferAsync(Typed(features, s_grids));
        Assert.That(Numbers<float>(answer.RawOutputContents[0]), Is.EqualTo(Library.Resample(features, s_grids)));
    }

    [Test]
    public async Task Empty_contents_beside_raw_values_are_ignored()
    {
        ModelInferRequest request = Small();
        request.Inputs[0].Contents = new InferTensorContents();
        ModelInferResponse answer = await Client.ModelInferAsync(request);
        ModelInferResponse same = await Client.ModelInferAsync(Small());
        Assert.That(answer.RawOutputContents[0], Is.EqualTo(same.RawOutputContents[0]));
    }

    [Test]
    public async Task Features_may_have_16_bits()
    {
        float[] features = RandomFeatures(5, s_grids);
        Half[] halves = [.. features.Select(value => (Half)value)];
        ModelInferRequest request = Raw(features, s_grids);
        request.Inputs[0].Datatype = "FP16";
        request.RawInputContents[0] = Bytes<Half>(halves);
        ModelInferResponse answer = await Client.ModelInferAsync(request);
        Assert.That(Numbers<float>(answer.RawOutputContents[0]),
            Is.EqualTo(Library.Resample([.. halves.Select(half => (float)half)], s_grids)));
    }

    [Test]
    public async Task Tokens_have_the_precision_that_a_parameter_names()
    {
        float[] features = RandomFeatures(6, s_grids);
        ModelInferRequest request = Raw(features, s_grids);
        request.Parameters["precision"] = new InferParameter { StringParam = "FP16" };
        ModelInferResponse answer = await Client.ModelInferAsync(request);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(answer.Outputs[0].Datatype, Is.EqualTo("FP16"));
            Assert.That(Numbers<Half>(answer.RawOutputContents[0]),
                Is.EqualTo(Library.Resample(features, s_grids).Select(value => (Half)value)));
        }
    }

    [Test]
    public async Task A_parameter_of_an_output_names_its_precision()
    {
        ModelInferRequest request = Small();
        request.Outputs.Add(new ModelInferRequest.Types.InferRequestedOutputTensor
        {
            Name = "tokens",
            Parameters = { ["precision"] = new InferParameter { StringParam = "BF16" } },
        });
        ModelInferResponse answer = await Client.ModelInferAsync(request);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(answer.Outputs[0].Datatype, Is.EqualTo("BF16"));
            Assert.That(answer.RawOutputContents[0].Length, Is.EqualTo(2 * 6 * 10));
        }
    }

    [Test]
    public async Task The_gate_comes_only_if_it_is_named_and_in_the_order_of_the_outputs()
    {
        float[] features = RandomFeatures(7, s_grids);
        ModelInferRequest request = Raw(features, s_grids);
        request.Outputs.Add(new ModelInferRequest.Types.InferRequestedOutputTensor { Name = "gate" });
        request.Outputs.Add(new ModelInferRequest.Types.InferRequestedOutputTensor { Name = "tokens" });
        ModelInferResponse answer = await Client.ModelInferAsync(request);
        float[] tokens = new float[Library.TokenLength(3)];
        float[] gate = new float[Library.GateLength(3)];
        Library.Resample(features, new FrameGroups(s_grids), tokens, gate);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(answer.Outputs.Select(output => output.Name), Is.EqualTo(new[] { "gate", "tokens" }));
            Assert.That(answer.Outputs[0].Shape, Is.EqualTo(new long[] { 3, 6, 2, 3 }));
            Assert.That(Numbers<float>(answer.RawOutputContents[0]), Is.EqualTo(gate));
            Assert.That(Numbers<float>(answer.RawOutputContents[1]), Is.EqualTo(tokens));
        }
    }

    [Test]
    public async Task Groups_of_frames_become_one_answer_each()
    {
        float[] features = RandomFeatures(8, s_grids);
        ModelInferRequest request = Raw(features, s_grids);
        request.Inputs.Add(new ModelInferRequest.Types.InferInputTensor
        {
            Name = "groups",
            Datatype = "INT32",
            Shape = { 2 },
        });
        request.RawInputContents.Add(Bytes<int>([2, 1]));
        ModelInferResponse answer = await Client.ModelInferAsync(request);
        float[] expected = Library.Resample(features, new FrameGroups(s_grids, [-1, -1, -1], [2, 1]));
        Assert.That(Numbers<float>(answer.RawOutputContents[0]), Is.EqualTo(expected));
    }

    [Test]
    public async Task The_answer_names_the_model_its_version_and_the_request([Values("", "1")] string version)
    {
        ModelInferRequest request = Small();
        (request.Id, request.ModelVersion) = ("request 7", version);
        ModelInferResponse answer = await Client.ModelInferAsync(request);
        Assert.That((answer.ModelName, answer.ModelVersion, answer.Id), Is.EqualTo((ModelName, "1", "request 7")));
    }

    [Test]
    public async Task Unknown_parameters_are_ignored()
    {
        ModelInferRequest request = Small();
        request.Parameters["a"] = new InferParameter { Uint64Param = ulong.MaxValue };
        request.Parameters["b"] = new InferParameter { DoubleParam = 0.5 };
        request.Parameters["c"] = new InferParameter();
        request.Inputs[0].Parameters["d"] = new InferParameter { BoolParam = true };
        ModelInferResponse answer = await Client.ModelInferAsync(request);
        Assert.That(answer.Outputs, Has.Count.EqualTo(1));
    }

    /// <summary>By default, gRPC's libraries accept 4 MiB.</summary>
    [Test]
    public async Task A_message_may_be_larger_than_the_limit_of_most_servers()
    {
        PatchGrid[] grids = [.. Enumerable.Repeat(new PatchGrid(120, 120), 8)];
        float[] features = RandomFeatures(9, grids);
        ModelInferRequest request = Raw(features, grids);
        Assert.That(request.CalculateSize(), Is.GreaterThan(5 << 20));
        ModelInferResponse answer = await Client.ModelInferAsync(request);
        Assert.That(Numbers<float>(answer.RawOutputContents[0]), Is.EqualTo(Library.Resample(features, grids)));
    }

    /// <summary>Answers are serialised from memory that is returned to a pool afterwards.</summary>
    [Test]
    public async Task Concurrent_answers_do_not_share_memory()
    {
        (ModelInferRequest Request, float[] Expected)[] cases = [.. Enumerable.Range(0, 64).Select(seed =>
        {
            PatchGrid[] grids = [new(1 + (seed % 5), 3)];
            float[] features = RandomFeatures(seed, grids);
            return (Raw(features, grids), Library.Resample(features, grids));
        })];
        ModelInferResponse[] answers = await Task.WhenAll(cases.Select(each
            => Client.ModelInferAsync(each.Request).ResponseAsync));
        Assert.That(answers.Select(answer => Numbers<float>(answer.RawOutputContents[0])),
            Is.EqualTo(cases.Select(each => each.Expected)));
    }
}
