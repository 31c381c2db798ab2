using MsResampler.Server.Inputs;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Inputs;

/// <summary>Outputs and parameters of requests.</summary>
internal sealed class OutputResolutionTests : InputsFixture
{
    private static readonly OutputRequest s_tokens = new("tokens", Parameters.None);
    private static readonly OutputRequest s_gate = new("gate", Parameters.None);

    [Test]
    public void WithoutOutputsTheTokensAreTheAnswer()
        => Assert.That(Resolve(Parameters.None),
            Is.EqualTo(new RequestedOutput[] { new("tokens", Datatype.Fp32, false) }));

    [Test]
    public void OutputsKeepTheirOrder()
        => Assert.That(Resolve(Parameters.None, s_gate, s_tokens).Select(output => output.Name),
            Is.EqualTo(new[] { "gate", "tokens" }));

    [Test]
    public void ThePrecisionOfTheRequestHoldsForTheTokens()
        => Assert.That(Resolve(With("precision", "BF16"), s_gate, s_tokens).Select(output => output.Datatype),
            Is.EqualTo(new[] { Datatype.Fp32, Datatype.Bf16 }));

    [Test]
    public void ThePrecisionOfAnOutputComesFirst()
        => Assert.That(Resolve(With("precision", "BF16"), new OutputRequest("tokens", With("precision", "FP16")))[0]
            .Datatype, Is.EqualTo(Datatype.Fp16));

    [TestCase(true, null, true)]
    [TestCase(true, false, false)]
    [TestCase(false, true, true)]
    [TestCase(null, true, true)]
    [TestCase(null, null, false)]
    public void BinaryDataOfAnOutputComesFirst(bool? ofRequest, bool? ofOutput, bool expected)
    {
        Parameters request = ofRequest is { } first ? With("binary_data_output", first) : Parameters.None;
        Parameters output = ofOutput is { } second ? With("binary_data", second) : Parameters.None;
        Assert.That(Resolve(request, new OutputRequest("tokens", output))[0].IsBinary, Is.EqualTo(expected));
    }

    [Test]
    public void OnlyARequestThatNamesTheGateWantsIt([Values] bool named)
    {
        AddImage();
        using InferenceRequest request = Build(null, named ? [s_gate] : [s_tokens]);
        Assert.That(request.WantsGate, Is.EqualTo(named));
    }

    [Test]
    public void AnUnknownOutputNamesTheKnownOnes()
        => ResolveIsWrong(Parameters.None, [new("Tokens", Parameters.None)], "output 'Tokens'", "'tokens' or 'gate'");

    [Test]
    public void AnOutputThatAppearsTwiceIsAnError()
        => ResolveIsWrong(Parameters.None, [s_tokens, s_tokens], "output 'tokens'", "twice");

    [TestCase("precision", 16L, "a string", "16")]
    [TestCase("precision", "fp16", "'FP32', 'FP16' or 'BF16'", "'fp16'")]
    [TestCase("precision", "INT32", "'FP32', 'FP16' or 'BF16'", "'INT32'")]
    [TestCase("binary_data_output", "true", "a bool", "'true'")]
    [TestCase("binary_data_output", 1L, "a bool", "1")]
    [TestCase("timeout", 1.5, "an integer", "1.5")]
    [TestCase("timeout", "10", "an integer", "'10'")]
    [TestCase("timeout", true, "an integer", "true")]
    [TestCase("timeout", -1L, "at least 0", "-1")]
    public void AWrongParameterOfARequestIsAnError(string name, object value, string expected, string found)
    {
        AddImage();
        IsWrong(() => Build(With(name, value)), $"parameter '{name}'", expected, $"found {found}");
    }

    [Test]
    public void AWrongParameterOfAnOutputIsAnError()
    {
        ResolveIsWrong(Parameters.None, [new("gate", With("precision", "FP16"))], "output 'gate'", "'precision'",
            "'FP32'", "'FP16'");
        ResolveIsWrong(Parameters.None, [new("tokens", With("binary_data", 1L))], "parameter 'binary_data'", "a bool");
    }

    [Test]
    public void UnknownParametersAreIgnored()
        => Assert.That(Resolve(With("priority", 3L), new OutputRequest("tokens", With("classification", 5L))),
            Has.Length.EqualTo(1));

    [TestCase(0L, null)]
    [TestCase(1L, 1e-6)]
    [TestCase(2_500_000L, 2.5)]
    [TestCase(long.MaxValue, 86400.0)]
    public void TheTimeoutIsInMicroseconds(long value, double? seconds)
    {
        AddImage();
        using InferenceRequest request = Build(With("timeout", value));
        Assert.That(request.Timeout?.TotalSeconds, Is.EqualTo(seconds));
    }

    [Test]
    public void TooManyParametersAreAnError()
    {
        Parameters parameters = new();
        IsWrong(() =>
        {
            for (int index = 0; index < 1000; index++)
                parameters.Add($"p{index}", true);
        }, "at most 256");
    }

    private static RequestedOutput[] Resolve(Parameters parameters, params OutputRequest[] outputs)
        => OutputResolution.Resolve(Shape, parameters, outputs);

    private static void ResolveIsWrong(Parameters parameters, OutputRequest[] outputs, params string[] words)
        => IsWrong(() => Resolve(parameters, outputs), words);

    private void AddImage()
    {
        AddFeatures(new float[3]);
        AddIntegers("grids", 1, 1);
    }
}
