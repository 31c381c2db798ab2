Console.WriteLine("msresampler");
